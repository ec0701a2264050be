//! Two hosts: network namespaces that a pair of virtual devices joins, or processes with mounts of their own, where the test may make
//! them. In its namespace, each knows itself by a name that resolves to its own loopback, as most containers do.
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

/// A process of this host that sees other files than all else: what `mounts`, words for a shell, puts over them. Nothing, and a word
/// why, where this process may not.
fn elsewhere(place: &Place, mounts: &str, command: &Command) -> Option<Command> {
    let tried = Command::new("unshare").args(["--mount", "sh", "-c", mounts]).current_dir(place.path("")).output();
    let reason = match tried {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Some(error.to_string()),
    };
    if let Some(reason) = reason {
        println!("skipped: files cannot be mounted here for one process ({reason})");
        return None;
    }
    let script = format!("{mounts} && exec \"$@\"");
    let mut inside = place.prepared(Command::new("unshare"), &["--mount", "sh", "-c", &script, "sh"]);
    inside.arg(command.get_program()).args(command.get_args());
    Some(inside)
}

/// Another boot is another host, where this one's loopback leads nowhere.
#[test]
fn a_host_that_knows_itself_as_loopback_only() {
    let place = Place::new();
    std::fs::write(place.path("boot"), "another\n").unwrap();
    let command = place.command(&run("run", "pretrain.epochs=1"));
    let mounts = "mount --bind boot /proc/sys/kernel/random/boot_id";
    let Some(second) = elsewhere(&place, mounts, &command) else { return };
    let ends = [place.start_as(0, 2, command), place.start_as(1, 2, second)].map(Rank::end);
    let sentence = "rank 0 knows its host as 127.0.0.1 only, and rank 1 is elsewhere; set GLOO_SOCKET_IFNAME to the network \
                    interface between the hosts";
    for end in ends {
        assert!(end.code == Some(1) && end.said.trim().ends_with(sentence), "{end:?}");
    }
}

/// A host without the files that are to be embedded names the first that is not there.
#[test]
fn a_host_without_the_files() {
    let place = Place::new();
    let made = place.command(&run("encoder", "pretrain.epochs=1")).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let embed = || {
        let hardware = ["--device", "cpu", "--threads", "1"];
        // So often that every rank has a part.
        let files = ["photos"; 100];
        place.program(&[&["embed", "--from", "encoder", "--out", "rows.npy"], &hardware[..], &files[..]].concat())
    };
    let Some(second) = elsewhere(&place, "mkdir -p empty && mount --bind empty photos", &embed()) else { return };
    let [first, second] = [place.start_as(0, 2, embed()), place.start_as(1, 2, second)].map(Rank::end);
    // A path that is not there is a mistake of whoever typed it, on that host.
    assert_eq!((first.code, second.code), (Some(1), Some(2)), "{first:?} {second:?}");
    assert!(second.said.starts_with("byol: rank 1: ") && second.said.contains(" does not exist"), "{second:?}");
    assert!(
        first.said.contains("byol: rank 1 (") && first.said.contains(" does not exist; no file was written"),
        "{first:?}"
    );
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
