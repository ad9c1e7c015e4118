//! Maps that outlive what pinned them: carried over from an older ABI, and found again when a pin is gone.
//!
//! Without this, programs loaded beside others would get maps of their own, and a process that the others
//! have labelled would be free the moment they go.

use std::path::{Path, PathBuf};

use aya::maps::{MapData, MapInfo};
use aya::programs::Lsm;
use stockade_abi::POLICY_SLOTS;

use super::error::KernelError;
use super::maps::{CARRIED, HEADS, PINNED, ROOTS, STARTED};
use super::pins::{Pins, make_directory};

/// Pins what processes carry, and who is bound, for the ABI of `to` as well. The rest is made anew: the
/// agent fills in the policies before anything is attached.
pub(super) fn carry(from: &Pins, to: &Pins) -> Result<(), KernelError> {
    make_directory(&to.maps())?;
    for name in CARRIED {
        let path = to.map(name);
        let older = from.map(name);
        // Before ABI 4 nobody knew since when a subject is one: the map is made anew, and filled from the database. Before
        // ABI 7 no root was noted: who had left it then, goes on with paths of its own.
        // What is pinned already was pinned by an attempt before: nothing makes these anew as long as the older ABI
        // is in force.
        let unknown = (name == STARTED || name == ROOTS) && !older.exists();
        if !path.exists() && !unknown {
            let map = MapData::from_pin(older).map_err(KernelError::map(name))?;
            pin(&map, path)?;
        }
    }
    Ok(())
}

/// Pins again what programs in force use and what is not pinned any more.
pub(super) fn find(pins: &Pins, builds: &[PathBuf]) -> Result<(), KernelError> {
    for name in PINNED {
        let path = pins.map(name);
        if path.exists() {
            continue;
        }
        tracing::warn!(pin = %path.display(), "the pin of a map is gone; looking for the map");
        let Some(map) = builds.iter().find_map(|build| used(build, name)) else {
            return Err(KernelError::MapGone { path });
        };
        make_directory(&pins.maps())?;
        pin(&map, path)?;
    }
    Ok(())
}

fn pin(map: &MapData, path: PathBuf) -> Result<(), KernelError> {
    map.pin(&path).map_err(|source| KernelError::Pin { path, source: Box::new(source) })
}

/// The map of this name that a program pinned in `build` uses. What cannot be looked at is not the one.
fn used(build: &Path, name: &str) -> Option<MapData> {
    let programs = std::fs::read_dir(build).ok()?.flatten().map(|entry| entry.path());
    let programs = programs.filter(|path| path.to_string_lossy().ends_with("-program"));
    let ids = programs.filter_map(|path| Lsm::from_pin(path).ok()?.info().ok()?.map_ids().ok()?);
    ids.flatten()
        .filter_map(|id| MapData::from_id(id).ok())
        .find(|map| map.info().is_ok_and(|info| is_called(&info, name)))
}

/// The heads are known by their size: the map may be without a name.
fn is_called(map: &MapInfo, name: &str) -> bool {
    map.name_as_str() == Some(name) || (name == HEADS && map.value_size() == 8 * POLICY_SLOTS)
}
