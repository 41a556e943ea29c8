# Short names for the project's tasks; `cargo xtask --help` has them all.

# Everything that a change must pass.
test *args:
    cargo xtask test {{args}}

# The rules of the sources that no compiler knows.
tidy:
    cargo xtask tidy

# Microsoft's SDKs against the emulators.
conformance *args:
    cargo xtask conformance {{args}}

# The whole way of a reading on this machine.
demo *args:
    cargo xtask demo {{args}}
