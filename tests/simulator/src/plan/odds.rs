//! How often each fault happens. Each schedule has some kinds of faults and not others, so that rare combinations come up too.

use crate::dice::Dice;

/// In a thousand, each time it could happen.
#[derive(Clone, Debug, Default)]
pub struct Odds {
    /// A source's answer is an error.
    pub source: u32,
    /// A write is not made, and the answer says so or is missing.
    pub write_before: u32,
    /// A write is made, and its answer is lost.
    pub write_after: u32,
    /// A write's answer is lost, and it is made later.
    pub write_late: u32,
    /// The store's client repeats a write whose answer was lost, and its own first one is in the way (412, 409).
    pub write_repeated: u32,
    /// The store refuses for good: a full disk, a wrong key.
    pub write_refused: u32,
    /// The store does not answer a question.
    pub read: u32,
    /// 429, 5xx or nothing before the hub took it.
    pub hub_before: u32,
    /// The hub takes it, or a part of it, and its answer is lost.
    pub hub_after: u32,
    /// The hub takes it later.
    pub hub_late: u32,
    /// 400 for no reason.
    pub hub_refused: u32,
    /// 401, 403, 404, 403002.
    pub hub_device: u32,
    /// Asking for the device fails.
    pub device: u32,
    /// The process dies, at any step.
    pub kill: u32,
    /// Time jumps, at any step.
    pub jump: u32,
    /// The process stands still for a while.
    pub stall: u32,
    /// A process begins with another configuration.
    pub configure: u32,
    /// A process begins with another overlap.
    pub overlap: u32,
    /// A process begins with another map of channels to OBIS codes.
    pub obis: u32,
}

impl Odds {
    /// Draws which there are, and how often.
    pub fn draw(dice: &mut Dice) -> Self {
        if dice.often(40) {
            return Self::default();
        }
        let mut some = |share: u32, often: [u32; 3]| {
            if dice.often(share) {
                dice.one(&often).unwrap_or(0)
            } else {
                0
            }
        };
        Self {
            source: some(250, [40, 150, 400]),
            write_before: some(250, [20, 80, 250]),
            write_after: some(300, [20, 80, 250]),
            write_late: some(250, [20, 80, 250]),
            write_repeated: some(150, [20, 80, 250]),
            write_refused: some(60, [20, 50, 150]),
            read: some(150, [10, 30, 100]),
            hub_before: some(350, [50, 200, 600]),
            hub_after: some(300, [50, 150, 400]),
            hub_late: some(200, [50, 150, 400]),
            hub_refused: some(120, [20, 100, 300]),
            hub_device: some(120, [20, 100, 200]),
            device: some(100, [20, 80, 200]),
            kill: some(450, [4, 15, 40]),
            jump: some(250, [5, 20, 60]),
            stall: some(350, [10, 30, 80]),
            configure: some(300, [100, 300, 800]),
            overlap: some(100, [100, 300, 500]),
            obis: some(120, [200, 400, 500]),
        }
    }
}
