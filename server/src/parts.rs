//! The bytes of an answer: in one piece, or in several that are sent together where they lie.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

/// What is sent at one time.
#[derive(Debug)]
pub enum Parts {
    /// Nearly always.
    One(Bytes),
    /// In a box, so that one piece has not the size of several.
    Several(Box<Several>),
}

/// Pieces one after the other.
#[derive(Debug)]
pub struct Several {
    pieces: VecDeque<Bytes>,
    left: usize,
}

// === impl Parts ===

impl From<Bytes> for Parts {
    fn from(bytes: Bytes) -> Self {
        Self::One(bytes)
    }
}

impl From<Vec<Bytes>> for Parts {
    fn from(pieces: Vec<Bytes>) -> Self {
        let left = pieces.iter().map(Bytes::len).sum();
        Self::Several(Box::new(Several { pieces: pieces.into(), left }))
    }
}

impl Default for Parts {
    fn default() -> Self {
        Self::One(Bytes::new())
    }
}

impl Buf for Parts {
    fn remaining(&self) -> usize {
        match self {
            Self::One(bytes) => bytes.len(),
            Self::Several(several) => several.left,
        }
    }

    fn chunk(&self) -> &[u8] {
        match self {
            Self::One(bytes) => bytes,
            Self::Several(several) => several.pieces.front().map_or(&[], |piece| piece),
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        match self {
            Self::One(bytes) => bytes.chunks_vectored(slices),
            Self::Several(several) => {
                let pairs = slices.iter_mut().zip(&several.pieces);
                pairs.map(|(slice, piece)| *slice = IoSlice::new(piece)).count()
            }
        }
    }

    fn advance(&mut self, mut count: usize) {
        match self {
            Self::One(bytes) => bytes.advance(count),
            Self::Several(several) => {
                assert!(count <= several.left, "nobody sends more than there is");
                several.left -= count;
                while let Some(piece) = several.pieces.front_mut() {
                    if count < piece.len() {
                        return piece.advance(count);
                    }
                    count -= piece.len();
                    several.pieces.pop_front();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_pieces_are_read_as_one_however_they_are_read() {
        let pieces = || ["ab", "c", "", "defg"].map(Bytes::from).to_vec();
        for step in 1..=7 {
            let (mut parts, mut text) = (Parts::from(pieces()), Vec::<u8>::new());
            while parts.has_remaining() {
                let mut slices = [IoSlice::new(&[]); 8];
                let count = parts.chunks_vectored(&mut slices);
                let all: Vec<u8> =
                    slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
                assert_eq!(all.len(), parts.remaining());
                assert!(all.starts_with(parts.chunk()));
                let step = step.min(all.len());
                text.extend(&all[..step]);
                parts.advance(step);
            }
            assert_eq!(text, b"abcdefg", "{step} at a time");
        }
    }
}
