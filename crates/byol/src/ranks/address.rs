//! Where the other ranks reach this one.

use std::net::{IpAddr, UdpSocket};

use byol_torch::group::Address;

/// The address of this host that leads to where the ranks meet, or the network interface that `GLOO_SOCKET_IFNAME` names. What the
/// host's own name stands for is no guide: on many it is 127.0.0.1.
pub(super) fn towards(host: &str, port: u16, interface: Option<&str>) -> Address {
    match interface {
        Some(name) if !name.is_empty() => Address::Interface(name.to_owned()),
        _ => Address::Host(local(host, port).map_or_else(|| "127.0.0.1".to_owned(), |address| address.to_string())),
    }
}

/// A datagram's socket that is connected sends nothing, and knows from where it would.
fn local(host: &str, port: u16) -> Option<IpAddr> {
    let from = ["0.0.0.0:0", "[::]:0"];
    from.into_iter().find_map(|any| {
        let socket = UdpSocket::bind(any).ok()?;
        socket.connect((host, port.max(1))).ok()?;
        Some(socket.local_addr().ok()?.ip())
    })
}

/// Whether others than this host cannot reach it there.
pub(super) fn is_loopback(address: &Address) -> bool {
    match address {
        Address::Host(host) => host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
        Address::Interface(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_this_host_is_loopback() {
        let address = towards("127.0.0.1", 29500, None);
        assert_eq!(address, Address::Host("127.0.0.1".into()));
        assert!(is_loopback(&address));
        assert!(is_loopback(&towards("127.0.0.1", 0, Some(""))));
    }

    #[test]
    fn an_interface_that_is_named_is_taken() {
        let address = towards("127.0.0.1", 29500, Some("eth1"));
        assert_eq!(address, Address::Interface("eth1".into()));
        assert!(!is_loopback(&address) && !is_loopback(&Address::Host("10.0.0.1".into())));
    }
}
