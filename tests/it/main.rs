//! Whole-system tests, in reading order.

mod invariant;
