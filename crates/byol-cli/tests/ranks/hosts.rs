//! Two hosts: network namespaces that a pair of virtual devices joins, where the test may make them. Each knows itself by a name that
//! resolves to its own loopback, as most containers do.
#![cfg(target_os = "linux")]

use std::process::Command;

use crate::processes::{Place, Rank, run, wait_for_a_checkpoint};

/// Two namespaces, removed in the end.
struct Hosts {
    names: [String; 2],
}

const ADDRESSES: [&str; 2] = ["10.213.7.1", "10.213.7.2"];

fn ip(words: &[&str]) -> Result<(), String> {
    match Command::new("ip").args(words).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

impl Hosts {
    /// Nothing, and a word why, where this process may not.
    fn make(test: &str) -> Option<Hosts> {
        let id = std::process::id();
        let hosts = Hosts { names: ["a", "b"].map(|host| format!("byol-{test}-{id}-{host}")) };
        let made = hosts.join();
        if let Err(reason) = made {
            println!("skipped: network namespaces cannot be made here ({reason})");
            return None;
        }
        Some(hosts)
    }

    fn join(&self) -> Result<(), String> {
        for name in &self.names {
            ip(&["netns", "add", name])?;
        }
        let [first, second] = &self.names;
        ip(&["link", "add", "joined", "netns", first, "type", "veth", "peer", "name", "joined", "netns", second])?;
        for (name, address) in self.names.iter().zip(ADDRESSES) {
            ip(&["-n", name, "address", "add", &format!("{address}/24"), "dev", "joined"])?;
            ip(&["-n", name, "link", "set", "lo", "up"])?;
            ip(&["-n", name, "link", "set", "joined", "up"])?;
        }
        Ok(())
    }

    /// A rank on the host of its number.
    fn start(&self, place: &Place, rank: usize, command: &Command) -> Rank {
        let mut inside = place.prepared(Command::new("ip"), &["netns", "exec", &self.names[rank]]);
        inside.arg(command.get_program()).args(command.get_args());
        inside.env("RANK", rank.to_string()).env("WORLD_SIZE", "2");
        inside.env("MASTER_ADDR", ADDRESSES[0]).env("MASTER_PORT", place.port.to_string());
        Rank(Some(inside.spawn().expect("ip starts")))
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = ip(&["netns", "delete", name]);
        }
    }
}

#[test]
fn two_hosts_train_together() {
    let Some(hosts) = Hosts::make("train") else { return };
    let place = Place::new();
    let command = place.command(&run("hosts", "pretrain.epochs=3"));
    for end in [0, 1].map(|rank| hosts.start(&place, rank, &command)).map(Rank::end) {
        assert_eq!(end.code, Some(0), "{end:?}");
    }
    place.finish(2, || place.command(&run("one", "pretrain.epochs=3")));
    assert!(place.last("hosts") == place.last("one"), "the network changes what is computed");
}

/// Where the link between hosts is cut, both say so after the time that was asked for.
#[test]
fn a_link_that_is_cut() {
    let Some(hosts) = Hosts::make("cut") else { return };
    let place = Place::new();
    let settings = [run("cut", "pretrain.epochs=5000"), vec!["--rank-timeout", "0.5"]].concat();
    let command = place.command(&settings);
    let ranks = [0, 1].map(|rank| hosts.start(&place, rank, &command));
    wait_for_a_checkpoint(&place.path("cut"));
    ip(&["-n", &hosts.names[1], "link", "set", "joined", "down"]).unwrap();
    for end in ranks.map(Rank::end) {
        assert_eq!(end.code, Some(1), "{end:?}");
        assert!(end.said.contains("no word from the other processes for 30 seconds; one of them hangs"), "{end:?}");
    }
}
