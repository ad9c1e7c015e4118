//! What an image holds: its files.

mod surface;
mod walk;

pub use surface::{Counts, Surface, surface};
pub use walk::{Found, Left, WalkError, walk};
