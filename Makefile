# One line a verb. `make test` is what CI runs.

.PHONY: run test fmt bench bench-full

# Serve on 127.0.0.1:3000, records in ./data.
run:
	cargo run --release --bin rolecall

# Everything that must hold before a change lands.
test:
	./tests/run

# Make the code look as it should.
fmt:
	cargo fmt --all

# Measure with 100,000 records, in ten minutes and the time to build; see benches/README.md.
bench:
	cargo bench --package rolecall-benches -- --quick
	cargo run --release --package rolecall-benches -- curves
	cargo run --release --package rolecall-benches

# The same with a million records.
bench-full:
	cargo bench --package rolecall-benches
	cargo run --release --package rolecall-benches -- curves
	cargo run --release --package rolecall-benches -- --records 1000000
