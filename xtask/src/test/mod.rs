//! `cargo xtask test`: unit tests here, then the kernel suites in guests, and one line of numbers.

mod matrix;
mod unit;

use anyhow::Result;

use self::matrix::Matrix;
use crate::exec::say;
use crate::guest::{Suite, Verdict};
use crate::project::Project;
use crate::setup::kernels::Family;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only guests with this kernel
    #[arg(long)]
    kernel: Option<Family>,
    /// Only this suite; `unit` for the tests that need no guest
    #[arg(long)]
    suite: Option<Chosen>,
    /// Only cases whose name holds this
    #[arg(long)]
    filter: Option<String>,
    /// Kill, restart and upgrade the agent, and ask servers, as often as it should be done once; takes up to an hour
    #[arg(long)]
    thorough: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Chosen {
    Unit,
    Boot,
    Hooks,
    Functions,
    Alive,
    Races,
    Refuse,
    Containers,
    Bench,
}

impl Chosen {
    fn guest_suite(self) -> Option<Suite> {
        match self {
            Self::Unit => None,
            Self::Boot => Some(Suite::Boot),
            Self::Hooks => Some(Suite::Hooks),
            Self::Functions => Some(Suite::Functions),
            Self::Alive => Some(Suite::Alive),
            Self::Races => Some(Suite::Races),
            Self::Refuse => Some(Suite::Refuse),
            Self::Containers => Some(Suite::Containers),
            Self::Bench => Some(Suite::Bench),
        }
    }
}

/// What a guest runs by default, in this order.
const SUITES: [Suite; 8] = [
    Suite::Boot,
    Suite::Hooks,
    Suite::Functions,
    Suite::Alive,
    Suite::Races,
    Suite::Refuse,
    Suite::Containers,
    Suite::Bench,
];

pub(crate) fn run(project: &Project, options: &Options) -> Result<bool> {
    let mut total = Verdict::default();
    let filter = options.filter.as_deref();
    let suites = match options.suite {
        None => SUITES.to_vec(),
        Some(chosen) => chosen.guest_suite().into_iter().collect(),
    };
    // First what takes no time when it is there, and whose lack must not be found after minutes.
    let guests = if suites.is_empty() {
        None
    } else {
        let families = options.kernel.map_or(Family::ALL.to_vec(), |family| vec![family]);
        Some(Matrix::prepare(project, &families, suites, options.thorough))
    };
    // A kernel named alone asks for its guests, not for the unit tests again.
    if options.suite == Some(Chosen::Unit) || (options.suite.is_none() && options.kernel.is_none()) {
        total.add(unit::run(project, filter)?);
    }
    if let Some(guests) = guests {
        match guests.and_then(|guests| guests.run(project, filter)) {
            Ok(verdict) => total.add(verdict),
            Err(error) => {
                say("FAIL", &format!("{error:#}"));
                total.failed += 1;
            }
        }
    }
    println!("{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped);
    Ok(total.failed == 0 && total.passed > 0)
}
