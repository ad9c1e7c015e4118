//! The eBPF object inside this binary.

/// The object, aligned as the loader needs it; empty in a binary built without.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/stockade.bpf.o"));

/// The object, if this binary has one.
pub(super) fn bytes() -> Option<&'static [u8]> {
    (!OBJECT.is_empty()).then_some(OBJECT)
}

/// Sixteen hex digits that tell one object from another (64-bit FNV-1a); `none` in a binary built
/// without one.
pub fn build_id() -> String {
    if OBJECT.is_empty() {
        return "none".to_owned();
    }
    let hash = OBJECT.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}
