//! The rules that come closest to what was denied, each with what keeps it from granting it.

use stockade_abi::access::{self, AccessSet};
use stockade_abi::peer;

use super::near::{Miss, miss};
use super::question::Question;
use crate::compare::{Pattern, patterns};
use crate::compile::{Object, Policy, Section};
use crate::profile::{PeerRule, PeerTarget, Profile};

/// Rules named.
const NEAREST: usize = 3;

/// A line for each rule that comes close, the closest first.
pub(super) fn nearest(profile: &Profile, policy: &Policy, question: &Question, session: bool) -> Vec<String> {
    let object = question.object();
    let matching = policy.matching(&object, true);
    let mut lines: Vec<String> = matching
        .iter()
        .filter(|(at, access)| !at.section.denies() || access & question.access != 0)
        .map(|(at, access)| {
            let parents = policy.parents(at);
            let why = if parents.is_empty() {
                withheld(*access, question.access, at.section, session)
            } else {
                format!("grants {}, but only to what {} starts", words(*access), parents.join(", "))
            };
            format!("{} {why}", profile.shown(at))
        })
        .collect();
    let known = |pattern: &Pattern| matching.iter().any(|(at, _)| **at == pattern.at);
    let others = patterns(profile).into_iter().filter(|pattern| !known(pattern));
    match object {
        Object::Path(path) => {
            let mut found: Vec<(Miss, bool, String)> = others
                .filter(|pattern| !matches!(pattern.at.section, Section::Peers | Section::Listen))
                .filter_map(|pattern| {
                    let miss = miss(&pattern.at.text, path)?;
                    let useless = pattern.access & question.access == 0;
                    let rule = profile.shown(&pattern.at);
                    let line = format!("{rule} grants {}, but {}", words(pattern.access), miss.why);
                    Some((miss, useless, line))
                })
                .collect();
            // A rule that is far off and grants something else helps nobody.
            found.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
            lines.extend(found.into_iter().map(|(_, _, line)| line));
        }
        // A port is one number: every rule is as near as the next.
        Object::Peer([peer::LISTEN, ..]) => {
            let rules = others.filter(|pattern| pattern.at.section == Section::Listen);
            lines.extend(rules.map(|pattern| format!("{} grants listen", profile.shown(&pattern.at))));
        }
        Object::Peer(peer) => {
            let mut found: Vec<(usize, String)> = others
                .filter_map(|pattern| {
                    let rule = profile
                        .peers
                        .get(pattern.at.index)
                        .filter(|_| pattern.at.section == Section::Peers)?;
                    let (apart, why) = peer_miss(rule, peer)?;
                    Some((apart, format!("{} {why}", profile.shown(&pattern.at))))
                })
                .collect();
            found.sort_by_key(|(apart, _)| *apart);
            lines.extend(found.into_iter().map(|(_, line)| line));
        }
    }
    lines.truncate(NEAREST);
    lines
}

fn words(access: AccessSet) -> String {
    access::words(access).collect::<Vec<_>>().join(", ")
}

/// Why a rule that matches does not grant what is asked.
fn withheld(granted: AccessSet, asked: AccessSet, section: Section, session: bool) -> String {
    if section.denies() {
        return format!("denies {}", words(granted));
    }
    let missing = asked & !granted;
    let only_sessions = match section {
        Section::SessionExec | Section::SessionFiles => !session,
        Section::Exec | Section::Files | Section::Peers | Section::Listen => false,
        Section::DenyExec | Section::DenyFiles | Section::DenyPeers => false,
    };
    match (missing, only_sessions) {
        (0, true) => format!("grants {}, but only to sessions", words(granted)),
        (0, false) => format!("grants {}, but not all that is asked is granted", words(granted)),
        (_, true) => format!("grants {} to sessions, not {}", words(granted), words(missing)),
        (_, false) => format!("grants {}, not {}", words(granted), words(missing)),
    }
}

/// How far a peer rule is from a peer as it is encoded, and in what it differs.
fn peer_miss(rule: &PeerRule, peer: &[u8]) -> Option<(usize, String)> {
    let net = match (&rule.to, peer) {
        (PeerTarget::Unix(glob), [peer::UNIX, path @ ..]) => {
            let miss = miss(glob, path)?;
            return Some((1, miss.why));
        }
        (PeerTarget::Net(net), [peer::V4 | peer::V6, ..]) => net,
        (PeerTarget::Unix(_) | PeerTarget::Abstract(_) | PeerTarget::Net(_), _) => return None,
    };
    let [_, protocol, octets @ .., high, low] = peer else { return None };
    let address = match (<[u8; 4]>::try_from(octets), <[u8; 16]>::try_from(octets)) {
        (Ok(four), _) => std::net::IpAddr::from(four),
        (Err(_), Ok(sixteen)) => std::net::IpAddr::from(sixteen),
        (Err(_), Err(_)) => return None,
    };
    let port = u16::from_be_bytes([*high, *low]);
    let protocol = if *protocol == peer::UDP { "udp" } else { "tcp" };
    let right_port =
        rule.ports.is_empty() || rule.ports.iter().any(|range| (range.first..=range.last).contains(&port));
    let right_protocol = rule.protocol.is_none_or(|known| known.word() == protocol);
    let mut differs = Vec::new();
    if !net.contains(&address) {
        differs.push(format!("address {address}"));
    }
    if !right_port {
        differs.push(format!("port {port}"));
    }
    if !right_protocol {
        differs.push(protocol.to_owned());
    }
    // Where nothing agrees, the rule is about something else.
    (differs.len() < 3 && (net.contains(&address) || right_port && !rule.ports.is_empty()))
        .then(|| (differs.len(), format!("does not match {}", differs.join(" and "))))
}
