//! What the programs themselves have to say: rare, and never part of a decision.

use std::io;
use std::path::Path;

use aya::Ebpf;
use aya::programs::Lsm;
use aya_log::EbpfLogger;
use stockade_abi::hook::Hook;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::error::KernelError;
use super::pins::Pins;

type Logger = EbpfLogger<&'static dyn log::Log>;

/// The programs' log, which this passes on to the agent's own.
pub struct ProgramLog {
    logger: AsyncFd<Logger>,
}

impl ProgramLog {
    /// Waits until the programs have said something, and passes it on.
    pub async fn next(&mut self) -> io::Result<()> {
        let mut guard = self.logger.readable_mut().await?;
        guard.get_inner_mut().flush();
        guard.clear_ready();
        Ok(())
    }

    pub(super) fn of_loaded(ebpf: &mut Ebpf) -> Result<Self, KernelError> {
        Self::new(EbpfLogger::init(ebpf))
    }

    pub(super) fn of_pinned(directory: &Path) -> Result<Self, KernelError> {
        let program = Lsm::from_pin(Pins::program(directory, Hook::Fork));
        let info = program.and_then(|program| program.info());
        let info =
            info.map_err(|source| KernelError::Program { hook: Hook::Fork, source: Box::new(source) })?;
        Self::new(EbpfLogger::init_from_id(info.id()))
    }

    fn new(logger: Result<Logger, aya_log::Error>) -> Result<Self, KernelError> {
        let logger = logger.map_err(|error| KernelError::Log(error.to_string()))?;
        // SAFETY: the logger owns its descriptor, and it is neither replaced nor closed while registered.
        let registered = unsafe { AsyncFd::register_with_interest(logger, Interest::READABLE) };
        Ok(Self { logger: registered.map_err(|error| KernelError::Ring(error.into()))? })
    }
}
