//! A ROS domain and a Zenoh port that nobody else uses, so that a demo never meets another robot and two demos run side
//! by side.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::Path;

/// Domains that are tried: above the ones people pick by hand, and low enough for the ports to stay below Linux's
/// ephemeral range.
const DOMAINS: std::ops::RangeInclusive<u8> = 60..=100;

/// What else would reach into the domain or out of it; taken out of the environment of an isolated run.
/// Cyclone DDS is what the Zenoh bridge speaks to ROS with.
pub const REACHING_OUT: [&str; 7] = [
    "ROS_STATIC_PEERS",
    "ROS_DISCOVERY_SERVER",
    "ROS_SUPER_CLIENT",
    "ROS_LOCALHOST_ONLY",
    "FASTRTPS_DEFAULT_PROFILES_FILE",
    "FASTDDS_DEFAULT_PROFILES_FILE",
    "CYCLONEDDS_URI",
];

/// What cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum IsolationError {
    /// All taken.
    #[error(
        "no free ROS domain between {first} and {last}: end another run, or name a domain with --ros-domain-id"
    )]
    NoDomain {
        /// First tried.
        first: u8,
        /// Last tried.
        last: u8,
    },
    /// The one asked for is taken.
    #[error(
        "ROS domain {0} is used by another run on this machine; leave out --ros-domain-id to get a free one"
    )]
    DomainTaken(u8),
    /// The port asked for is taken.
    #[error(
        "port {port} is taken ({cause}); choose another with --zenoh-port, or leave it out to get a free one"
    )]
    PortTaken {
        /// The port.
        port: u16,
        /// What the system says.
        cause: std::io::Error,
    },
    /// No lock file.
    #[error("cannot lock {path}: {cause}")]
    Lock {
        /// The file.
        path: String,
        /// What the system says.
        cause: std::io::Error,
    },
}

/// A ROS domain held by a lock file as long as this value lives.
#[derive(Debug)]
pub struct Domain {
    /// Its number, `ROS_DOMAIN_ID`.
    pub id: u8,
    _lock: File,
}

impl Domain {
    /// Takes `wanted`, or the first free domain where none is asked for. `lock_dir` is common to all runs of this user.
    pub fn acquire(lock_dir: &Path, wanted: Option<u8>) -> Result<Self, IsolationError> {
        if let Some(id) = wanted {
            // Asked for by number: whoever asks may have peers of his own in it, so only another run stands in the way.
            return lock(lock_dir, id)?.ok_or(IsolationError::DomainTaken(id));
        }
        for id in DOMAINS {
            if let Some(domain) = lock(lock_dir, id)?
                && is_unused(id)
            {
                return Ok(domain);
            }
        }
        Err(IsolationError::NoDomain {
            first: *DOMAINS.start(),
            last: *DOMAINS.end(),
        })
    }
}

fn lock(lock_dir: &Path, id: u8) -> Result<Option<Domain>, IsolationError> {
    let path = lock_dir.join(format!("domain-{id}.lock"));
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path);
    let file = file.map_err(|cause| IsolationError::Lock {
        path: path.display().to_string(),
        cause,
    })?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Domain { id, _lock: file })),
        Err(std::fs::TryLockError::WouldBlock) => Ok(None),
        Err(std::fs::TryLockError::Error(cause)) => Err(IsolationError::Lock {
            path: path.display().to_string(),
            cause,
        }),
    }
}

/// Whether no DDS participant of this machine is in the domain: the first one binds this port (RTPS 9.6.1.1).
fn is_unused(domain: u8) -> bool {
    let first_unicast_port = 7400 + 250 * u16::from(domain) + 10;
    UdpSocket::bind((Ipv4Addr::UNSPECIFIED, first_unicast_port)).is_ok()
}

/// A TCP port on loopback that is free now: `wanted`, or any.
pub fn free_port(wanted: Option<u16>) -> Result<u16, IsolationError> {
    let port = wanted.unwrap_or(0);
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|cause| IsolationError::PortTaken { port, cause })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_get_two_domains_and_a_domain_is_free_again_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let first = Domain::acquire(dir.path(), None).unwrap();
        let second = Domain::acquire(dir.path(), None).unwrap();
        assert_ne!(first.id, second.id);
        assert!(matches!(
            Domain::acquire(dir.path(), Some(first.id)),
            Err(IsolationError::DomainTaken(_))
        ));
        let id = first.id;
        drop(first);
        assert_eq!(Domain::acquire(dir.path(), Some(id)).unwrap().id, id);
    }

    #[test]
    fn a_domain_in_which_somebody_already_speaks_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let free = Domain::acquire(dir.path(), None).unwrap();
        let port = 7400 + 250 * u16::from(free.id) + 10;
        let _participant = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap();
        let id = free.id;
        drop(free);
        assert_ne!(Domain::acquire(dir.path(), None).unwrap().id, id);
    }

    #[test]
    fn a_taken_port_is_refused_by_name() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let message = free_port(Some(port)).unwrap_err().to_string();
        assert!(
            message.contains(&port.to_string()) && message.contains("--zenoh-port"),
            "{message}"
        );
        assert_ne!(free_port(None).unwrap(), port);
    }
}
