# One line a verb. `make test` is what CI runs.

.PHONY: run test fmt bench

# Serve on 127.0.0.1:3000, records in ./data.
run:
	cargo run --release --bin rolecall

# Everything that must hold before a change lands.
test:
	./tests/run

# Make the code look as it should.
fmt:
	cargo fmt --all

# Measure; see benches/README.md.
bench:
	cargo bench --package rolecall-benches
