//! Certificates, TLS versions, names; and reqwest as a client that knows nothing of the emulator.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "hub_wire/wire.rs"]
mod wire;

use std::sync::Arc;

use emulator::hub::{Hub, HubOptions};
use emulator::tls::{Authority, Error};
use rustls::ProtocolVersion;
use rustls::version::{TLS12, TLS13};
use tokio::task::JoinSet;
use wire::{K32, NOW_S, Wire, key, options};

#[tokio::test]
async fn both_versions_and_all_names_are_served() {
    let name = "meters.device.azure-devices.net";
    let hub = Hub::start(HubOptions {
        host_name: name.to_owned(),
        ..options()
    })
    .await
    .unwrap();
    for (version, expected) in [
        (&TLS12, ProtocolVersion::TLSv1_2),
        (&TLS13, ProtocolVersion::TLSv1_3),
    ] {
        for name in [
            "localhost",
            "127.0.0.1",
            "::1",
            "contoso.azure-devices.net",
            "global.azure-devices-provisioning.net",
            name,
        ] {
            let wire = Wire::open(hub.addr(), hub.ca_pem(), name, &[version])
                .await
                .unwrap();
            assert_eq!(wire.version(), Some(expected), "{name}");
            assert_eq!(
                wire.stream.get_ref().1.alpn_protocol(),
                Some(b"http/1.1".as_ref())
            );
        }
    }
    for other in ["example.com", "a.b.azure-devices.net", "127.0.0.2"] {
        let refused = Wire::open(hub.addr(), hub.ca_pem(), other, rustls::ALL_VERSIONS).await;
        assert!(refused.is_err(), "{other}");
    }
}

#[tokio::test]
async fn only_the_hubs_own_authority_is_trusted() {
    let hub = Hub::start(options()).await.unwrap();
    let other = Authority::in_memory().unwrap();
    assert!(
        Wire::open(hub.addr(), other.ca_pem(), "localhost", rustls::ALL_VERSIONS)
            .await
            .is_err()
    );
    // What speaks no TLS is dropped, and others are served.
    let mut plain = tokio::net::TcpStream::connect(hub.addr()).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut plain, b"GET / HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    Wire::to(&hub).await;
}

#[tokio::test]
async fn a_kept_authority_stays_the_same_and_signs_anew() {
    let dir = tempfile::tempdir().unwrap();
    let first = Authority::load_or_create(&dir.path().join("new")).unwrap();
    let second = Authority::load_or_create(&dir.path().join("new")).unwrap();
    assert_eq!(first.ca_pem(), second.ca_pem());
    assert_eq!(
        std::fs::read_to_string(second.ca_path().unwrap()).unwrap(),
        first.ca_pem()
    );
    let hub = Hub::start(HubOptions {
        authority: Some(second),
        ..options()
    })
    .await
    .unwrap();
    Wire::open(hub.addr(), first.ca_pem(), "localhost", rustls::ALL_VERSIONS)
        .await
        .unwrap();
    #[cfg(unix)]
    {
        let key = dir.path().join("new/authority.pem");
        let mode = std::os::unix::fs::PermissionsExt::mode(&key.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn many_first_starts_at_once_agree_on_one_authority() {
    let dir = tempfile::tempdir().unwrap();
    let make = || Authority::load_or_create(dir.path()).unwrap().ca_pem().to_owned();
    let all: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(all.iter().all(|pem| *pem == all[0]));
}

#[test]
fn damaged_or_unusable_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("authority.pem");
    let whole = {
        Authority::load_or_create(dir.path()).unwrap();
        std::fs::read_to_string(&file).unwrap()
    };
    for text in [
        "",
        "nonsense",
        &whole[..whole.len() / 3],
        &whole[whole.find("-----BEGIN CERT").unwrap()..],
    ] {
        std::fs::write(&file, text).unwrap();
        let error = Authority::load_or_create(dir.path()).err().unwrap();
        assert!(matches!(error, Error::Damaged { .. }), "{text}: {error}");
        assert!(error.to_string().contains("authority.pem"), "{error}");
    }
    let error = Authority::load_or_create(&file).err().unwrap();
    assert!(matches!(error, Error::File { .. }), "{error}");
}

/// The hub under its own name through a mapped address, many requests at once over a pool.
#[tokio::test(flavor = "multi_thread")]
async fn an_ordinary_client_sends_in_parallel() {
    let name = "contoso.azure-devices.net";
    let hub = Hub::start(HubOptions {
        host_name: name.to_owned(),
        ..options()
    })
    .await
    .unwrap();
    let ca = reqwest::Certificate::from_pem(hub.ca_pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder()
        .tls_certs_only([ca])
        .resolve(name, hub.addr())
        .build()
        .unwrap();
    let token: Arc<str> = key(K32)
        .token(&format!("{name}/devices/meter-001"), NOW_S + 60, None)
        .into();
    let url = format!(
        "https://{name}:{}/devices/meter-001/messages/events?api-version=2021-04-12",
        hub.addr().port()
    );
    let mut tasks = JoinSet::new();
    for number in 0..200_usize {
        let (client, token, url) = (client.clone(), token.clone(), url.clone());
        tasks.spawn(async move {
            let request = client.post(url).header("authorization", &*token);
            let request = request.header("iothub-messageid", number.to_string());
            request
                .body(vec![b'x'; number * 100])
                .send()
                .await
                .unwrap()
                .status()
                .as_u16()
        });
    }
    assert_eq!(tasks.join_all().await, vec![204; 200]);
    hub.wait_for(200).await;
    let mut numbers = Vec::new();
    for message in hub.arrived() {
        let sent: usize = message.message_id.as_deref().unwrap().parse().unwrap();
        assert_eq!(message.body.len(), sent * 100);
        numbers.push(sent);
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..200).collect::<Vec<_>>());
    assert!(hub.arrived().iter().map(|m| m.number).eq(1..=200));
}
