//! The parts of the stockade agent and of its command line.

pub mod agent;
pub mod cli;
pub mod clock;
mod compare;
pub mod compile;
pub mod control;
pub mod events;
#[cfg(test)]
mod fuzz;
pub mod identity;
pub mod image;
pub mod kernel;
pub mod learn;
pub mod profile;
pub mod status;
pub mod store;

#[cfg(test)]
mod testing;
