//! Whether a program is one for 64-bit x86 Linux that needs no other file: neither a loader nor a library.

/// What is wrong with it. Layout of the headers: System V ABI, "Object Files".
pub(super) fn faults(program: &[u8]) -> Vec<String> {
    let number = |at: usize, bytes: usize| -> usize {
        let field = program.get(at..at + bytes).unwrap_or_default();
        field
            .iter()
            .rev()
            .fold(0, |sum, &byte| sum << 8 | usize::from(byte))
    };
    // 64-bit, little-endian; machine 62 is x86-64.
    if !program.starts_with(b"\x7fELF\x02\x01") || number(18, 2) != 62 {
        return vec!["the handler is no program for 64-bit x86 Linux".to_owned()];
    }
    let (table, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    let kinds: Vec<usize> = (0..count).map(|i| number(table + i * size, 4)).collect();
    let mut faults = Vec::new();
    if !kinds.contains(&1) {
        faults.push("the handler has nothing that can be loaded".to_owned());
    }
    // PT_INTERP: the path of a loader, which a bare root does not have.
    if kinds.contains(&3) {
        faults.push("the handler needs a loader: it is not linked statically".to_owned());
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::faults;

    fn program(kinds: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 64 + kinds.len() * 56];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (bytes[18], bytes[32], bytes[54]) = (62, 64, 56);
        bytes[56] = u8::try_from(kinds.len()).unwrap_or_default();
        for (i, kind) in kinds.iter().enumerate() {
            bytes[64 + i * 56] = *kind;
        }
        bytes
    }

    #[test]
    fn a_program_that_needs_a_loader_is_refused() {
        assert!(faults(&program(&[1, 1])).is_empty());
        assert!(faults(&program(&[1, 3])).concat().contains("loader"));
        assert!(faults(&program(&[2])).concat().contains("nothing"));
        assert!(faults(b"#!/bin/sh").concat().contains("no program"));
        let mut arm = program(&[1]);
        arm[18] = 183;
        assert!(faults(&arm).concat().contains("no program"));
    }

    #[test]
    fn the_running_test_is_linked_dynamically() {
        let own = std::env::current_exe()
            .and_then(std::fs::read)
            .unwrap_or_default();
        if cfg!(all(target_arch = "x86_64", target_env = "gnu")) {
            assert!(faults(&own).concat().contains("loader"));
        }
    }
}
