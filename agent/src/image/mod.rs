//! What an image holds: its files, and the packages that they came with.

pub(crate) mod packages;
mod surface;
mod walk;

pub use packages::{Packages, PackagesError, RpmError, SHARED};
pub use surface::{Counts, Surface, surface};
pub use walk::{Code, Found, Left, WalkError, walk};
