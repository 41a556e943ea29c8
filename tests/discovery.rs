//! Sites that are found at their backend: they appear and vanish with its list, and with nothing else.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

#[path = "host_contract/handler.rs"]
mod handler;
#[path = "bad_input/rig.rs"]
mod rig;

use std::time::Duration;

use emulator::rapidm2m::{
    Backend, BackendOptions, Channel, CustomerOptions, Fault, Generator, RefusalBody, Scope, SiteOptions,
};
use handler::{Handler, folder, run_in};
use meterbridge::app::Wired;
use meterbridge::poll::Worked;
use meterbridge::store::Document;
use meterbridge::store::documents::{CatalogDoc, SitesDoc};
use rig::{MINUTE, Rig, polled, tick};

const CUSTOMER: &str = "th.drones@example.com";
const HOUR: i64 = 60 * MINUTE;

fn site(name: &str) -> SiteOptions {
    let now = chrono::Utc::now().timestamp_millis();
    let generator = Generator {
        start_ms: now - 10 * MINUTE,
        interval_ms: MINUTE,
        ..Generator::default()
    };
    SiteOptions::generated(name, Channel::numbered(1), generator)
}

async fn backend(sites: &[&str]) -> Backend {
    Backend::start(BackendOptions {
        customers: vec![CustomerOptions {
            id: CUSTOMER.into(),
            sites: sites.iter().map(|name| site(name)).collect(),
        }],
        ..BackendOptions::default()
    })
    .await
    .unwrap()
}

fn definition(backend: &Backend, more: &str) -> String {
    definition_at(&backend.url(), more)
}

fn definition_at(url: &str, more: &str) -> String {
    format!(
        "[[source]]\nkind = \"rapidm2m\"\nurl = \"{url}\"\nuser = \"demo@example.com\"\npassword = \"demo\"\n\
         customer = \"{CUSTOMER}\"\nsites = \"*\"\nchannels = [\"ch0\"]\n{more}\n\n"
    )
}

async fn rig(backend: &Backend, more: &str) -> Rig {
    Rig::new(|_| definition(backend, more)).await
}

/// The sites that this process polls, by their names.
fn sites(wired: &Wired) -> Vec<String> {
    let known = wired.catalog.current();
    let mut names: Vec<String> = known
        .configs()
        .filter_map(|source| match &source.naming {
            meterbridge::config::Naming::Site { site, .. } => Some(site.clone()),
            meterbridge::config::Naming::Source => None,
        })
        .collect();
    names.sort();
    names
}

/// How often the backend was asked for its list.
fn lists(backend: &Backend) -> usize {
    let asked = backend.latest();
    asked
        .iter()
        .filter(|asked| asked.parts.last().is_some_and(|part| part == "sites"))
        .count()
}

async fn stored(rig: &Rig) -> SitesDoc {
    let name = &rig.wired.catalog.current().discoveries[0].config.name;
    let store = &rig.wired.rounds.poller().store;
    let found = store
        .read(CatalogDoc::PARTITION, &SitesDoc::id_of(name))
        .await
        .unwrap()
        .unwrap();
    match found.document {
        Document::Sites(doc) => doc,
        other => panic!("{other:?}"),
    }
}

/// New sites are found within one refresh, polled at the next tick, and asked for no more often than that.
#[tokio::test]
async fn sites_appear_within_one_refresh() {
    let backend = backend(&["Plant 1", "Zähler/2"]).await;
    let rig = rig(&backend, "").await;
    assert!(rig.tick().await.reports.is_empty(), "nothing is known yet");
    let round = rig.tick().await;
    assert_eq!(round.reports.len(), 2);
    assert!(
        round.reports.iter().all(meterbridge::poll::Report::is_good),
        "{round:?}"
    );
    assert!(!rig.rows("Plant%201").is_empty());
    assert!(polled(&round)[0].starts_with("plant-1-"), "{:?}", polled(&round));

    backend.add_site(CUSTOMER, site("Plant 3"));
    for _ in 0..59 {
        rig.advance(MINUTE);
        rig.tick().await;
    }
    assert_eq!((lists(&backend), sites(&rig.wired).len()), (1, 2));
    rig.advance(MINUTE);
    rig.tick().await;
    let round = rig.tick().await;
    assert_eq!(lists(&backend), 2);
    assert_eq!(sites(&rig.wired), ["Plant 1", "Plant 3", "Zähler/2"]);
    assert!(
        polled(&round).iter().any(|id| id.starts_with("plant-3-")),
        "{:?}",
        polled(&round)
    );
}

/// What patterns leave out is never polled; patterns that change take effect at the start, without asking the backend.
#[tokio::test]
async fn patterns_choose() {
    let backend = backend(&["Plant 1", "Plant 2", "Plant test", "Office"]).await;
    let mut rig = rig(&backend, "include = [\"Plant *\"]\nexclude = [\"*test*\"]").await;
    rig.tick().await;
    rig.tick().await;
    assert_eq!(sites(&rig.wired), ["Plant 1", "Plant 2"]);
    let known = rig.wired.catalog.current();
    assert_eq!(
        (known.discoveries[0].taken, known.discoveries[0].left_out),
        (2, 2)
    );
    rig.redefine(&definition(&backend, "include = [\"Office\"]"));
    rig.tick().await;
    assert_eq!(sites(&rig.wired), ["Office"]);
    assert_eq!(lists(&backend), 1, "the list itself is the same");
}

/// A source of its own says how its site is polled; the list adds the others.
#[tokio::test]
async fn a_source_of_its_own_comes_first() {
    let backend = backend(&["Plant 1", "Plant 2"]).await;
    let own = definition(&backend, "").replace(
        "sites = \"*\"",
        "site = \"Plant 1\"\nid = \"first\"\nevery = \"5m\"",
    );
    let rig = Rig::new(|_| format!("{own}{}", definition(&backend, ""))).await;
    rig.tick().await;
    rig.tick().await;
    let ids = rig.wired.rounds.ids();
    assert_eq!(ids.len(), 2, "{ids:?}");
    assert!(ids[0] == "first" && ids[1].starts_with("plant-2-"), "{ids:?}");
    assert!(rig.wired.catalog.current().faults.is_empty());
}

/// A backend that is down takes no source away, over restarts too; it is asked again soon, then ever less often.
#[tokio::test]
async fn a_backend_that_is_down_takes_no_source_away() {
    let backend = backend(&["Plant 1"]).await;
    let mut rig = rig(&backend, "").await;
    rig.tick().await;
    rig.tick().await;
    backend.fail(Scope::Lists, Fault::status(500), None);
    rig.advance(HOUR);
    rig.tick().await;
    assert_eq!(stored(&rig).await.failures, 1);
    rig.redefine(&definition(&backend, ""));
    let round = rig.tick().await;
    assert_eq!(sites(&rig.wired), ["Plant 1"]);
    assert_eq!(round.reports.len(), 0, "not due: polled within this minute");
    let known = rig.wired.catalog.current();
    assert!(
        known.troubles()[0].contains("the sites cannot be listed"),
        "{:?}",
        known.troubles()
    );
    let before = lists(&backend);
    for _ in 0..60 {
        rig.advance(MINUTE);
        rig.tick().await;
    }
    let asked = lists(&backend) - before;
    assert!(
        (5..15).contains(&asked),
        "four minutes apart by one, then by cool-downs: {asked}"
    );
    backend.recover();
    backend.add_site(CUSTOMER, site("Plant 2"));
    for _ in 0..60 {
        rig.advance(MINUTE);
        rig.tick().await;
    }
    assert_eq!(sites(&rig.wired), ["Plant 1", "Plant 2"]);
    assert_eq!(
        (stored(&rig).await.failures, stored(&rig).await.trouble),
        (0, None)
    );
}

/// A login that is refused is tried once per refresh, so that no account is locked.
#[tokio::test]
async fn a_refused_login_is_tried_once_per_refresh() {
    let backend = backend(&["Plant 1"]).await;
    let rig = Rig::new(|_| definition(&backend, "").replace("\"demo\"", "\"hunter2\"")).await;
    for _ in 0..59 {
        rig.tick().await;
        rig.advance(MINUTE);
    }
    assert_eq!(lists(&backend), 1);
    let trouble = stored(&rig).await.trouble.unwrap();
    assert!(
        trouble.contains("refused the login") && !trouble.contains("hunter2"),
        "{trouble}"
    );
    rig.advance(MINUTE);
    rig.tick().await;
    assert_eq!(lists(&backend), 2);
}

/// A backend that asks to wait is left alone for as long.
#[tokio::test]
async fn retry_after_is_obeyed() {
    let backend = backend(&["Plant 1"]).await;
    let fault = Fault::Refuse {
        status: 429,
        body: RefusalBody::Err,
        retry_after: Some(1_800),
    };
    backend.fail(Scope::Lists, fault, Some(1));
    let rig = rig(&backend, "").await;
    for _ in 0..29 {
        rig.tick().await;
        rig.advance(MINUTE);
    }
    assert_eq!(lists(&backend), 1);
    rig.advance(2 * MINUTE);
    rig.tick().await;
    rig.tick().await;
    assert_eq!(
        (lists(&backend), sites(&rig.wired)),
        (2, vec!["Plant 1".to_owned()])
    );
}

/// The list counts against the backend's requests a minute; without one left nothing is asked.
#[tokio::test]
async fn the_backends_budget_holds() {
    let backend = backend(&["Plant 1"]).await;
    let own = definition(&backend, "").replace("sites = \"*\"", "site = \"Plant 1\"\nid = \"first\"");
    let mut rig = Rig::new(|_| format!("{own}{}", definition(&backend, "exclude = [\"none\"]"))).await;
    rig.set("BACKEND_REQUESTS", "1");
    // The poll takes the minute's only request.
    let now = rig.now();
    rig.wired.rounds.run(now, now + 1).await.unwrap();
    rig.wired.catalog.discover(now + MINUTE).await;
    assert_eq!(lists(&backend), 0);
    let doc = stored(&rig).await;
    assert!(
        doc.trouble
            .as_ref()
            .is_some_and(|why| why.contains("BACKEND_REQUESTS")),
        "{doc:?}"
    );
    assert_eq!(
        (doc.failures, doc.next),
        (0, now + MINUTE),
        "that is no failure of the backend"
    );
}

/// What the list no longer holds is polled on for the grace, then stops, loudly; listed again in between, nothing has happened.
#[tokio::test]
async fn a_vanished_site_is_polled_on_for_the_grace() {
    let backend = backend(&["Plant 1", "Plant 2"]).await;
    let mut rig = rig(&backend, "").await;
    rig.set("DISCOVERY_GRACE_HOURS", "3");
    rig.tick().await;
    rig.tick().await;
    // Only the list forgets it.
    backend.fail(Scope::Lists, Fault::EmptyArray, Some(1));
    rig.advance(HOUR);
    rig.tick().await;
    let round = rig.tick().await;
    assert_eq!(sites(&rig.wired).len(), 2, "{round:?}");
    assert!(stored(&rig).await.sites.iter().all(|site| site.gone.is_some()));
    rig.advance(HOUR);
    rig.tick().await;
    assert!(
        stored(&rig).await.sites.iter().all(|site| site.gone.is_none()),
        "back again"
    );

    assert!(backend.remove_site(CUSTOMER, "Plant 2"));
    rig.advance(HOUR);
    rig.tick().await;
    for _ in 0..2 {
        rig.advance(HOUR);
        rig.tick().await;
        assert_eq!(sites(&rig.wired), ["Plant 1", "Plant 2"]);
    }
    rig.advance(HOUR);
    rig.tick().await;
    rig.tick().await;
    assert_eq!(sites(&rig.wired), ["Plant 1"]);
    // It comes again later, and goes on where it was.
    backend.add_site(CUSTOMER, site("Plant 2"));
    rig.advance(HOUR);
    rig.tick().await;
    rig.tick().await;
    assert_eq!(sites(&rig.wired), ["Plant 1", "Plant 2"]);
    rig.assert_one_body_per_id();
}

/// Two processes: one asks, both have the same sources.
#[tokio::test]
async fn one_process_asks_for_all() {
    let backend = backend(&["Plant 1", "Plant 2"]).await;
    let rig = rig(&backend, "").await;
    let other = rig.process();
    let now = rig.now();
    tokio::join!(tick(&rig.wired, now), tick(&other, now));
    assert_eq!(lists(&backend), 1);
    tokio::join!(tick(&rig.wired, now), tick(&other, now));
    assert_eq!(sites(&rig.wired), sites(&other));
    assert_eq!(sites(&other), ["Plant 1", "Plant 2"]);
    // Over many refreshes, whoever comes first: never more than one question each.
    for hour in 1..=5 {
        rig.advance(HOUR);
        let now = rig.now();
        tokio::join!(tick(&rig.wired, now), tick(&other, now));
        tokio::join!(tick(&rig.wired, now), tick(&other, now));
        assert_eq!(lists(&backend), 1 + hour);
    }
}

/// Killed while it asks: another process asks two minutes later, and not before.
#[tokio::test]
async fn a_process_that_is_killed_while_it_asks_is_stood_in_for() {
    let backend = backend(&["Plant 1"]).await;
    backend.fail(Scope::Lists, Fault::Slow(Duration::from_secs(3_600)), Some(1));
    let rig = rig(&backend, "").await;
    let other = rig.process();
    rig.wired.refresh().await;
    {
        let asking = rig.wired.catalog.discover(rig.now() + MINUTE);
        tokio::pin!(asking);
        let asked = async {
            while backend.requests() == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = &mut asking => panic!("it ended"),
            () = asked => {}
        }
    }
    tick(&other, rig.now()).await;
    rig.advance(2 * MINUTE - 1);
    tick(&other, rig.now()).await;
    assert_eq!(backend.requests(), 1, "it may still live");
    rig.advance(1);
    tick(&other, rig.now()).await;
    tick(&other, rig.now()).await;
    assert_eq!(sites(&other), ["Plant 1"]);
}

/// Answers that are no list take nothing away and are told; entries that no source can be made of are left out, told as well.
#[tokio::test]
async fn answers_that_are_no_list_take_nothing_away() {
    let backend = backend(&["Plant 1"]).await;
    let rig = rig(&backend, "").await;
    rig.tick().await;
    rig.tick().await;
    for (fault, expected) in [
        (Fault::NotJson, "is not JSON"),
        (Fault::EmptyBody, "is not JSON"),
        (Fault::Truncated, "no answer"),
        (Fault::NoReply, "no answer"),
        (Fault::status(404), "does not know"),
        (Fault::status(403), "refused the login"),
        (Fault::status(503), "answered 503"),
    ] {
        backend.fail(Scope::Lists, fault.clone(), Some(1));
        rig.advance(2 * HOUR);
        rig.tick().await;
        let doc = stored(&rig).await;
        assert!(
            doc.trouble.as_ref().is_some_and(|why| why.contains(expected)),
            "{fault:?}: {doc:?}"
        );
        rig.tick().await;
        assert_eq!(sites(&rig.wired), ["Plant 1"], "{fault:?}");
    }
    for name in ["..", ".", " ", &"x".repeat(300)] {
        backend.add_site(CUSTOMER, site(name));
    }
    backend.add_site(CUSTOMER, site("Plant 1"));
    rig.advance(2 * HOUR);
    rig.tick().await;
    rig.tick().await;
    let doc = stored(&rig).await;
    assert_eq!(
        (sites(&rig.wired), doc.trouble),
        (vec!["Plant 1".to_owned()], None)
    );
    assert_eq!(doc.remarks.len(), 4, "{:?}", doc.remarks);
}

/// Workers get the shard of a backend whose sites were found, and agree on them.
#[tokio::test]
async fn workers_have_the_sites_that_were_found() {
    let names: Vec<String> = (1..=5).map(|n| format!("Plant {n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let backend = backend(&names).await;
    let rig = rig(&backend, "").await;
    rig.tick().await;
    rig.wired.refresh().await;
    let share = rig.wired.rounds.share(rig.now(), 1).await.unwrap();
    assert_eq!(
        (share.here.len(), share.jobs.len()),
        (0, 1),
        "one backend, one shard: {share:?}"
    );
    let worker = rig.process();
    worker.refresh().await;
    let now = rig.now();
    match worker
        .rounds
        .work(&share.jobs[0], 1, now, now + MINUTE)
        .await
        .unwrap()
    {
        Worked::Done(round) => assert_eq!(round.reports.len(), 5),
        Worked::Elsewhere => panic!("{share:?}"),
    }
}

/// What is wrong with a discovery is told with its line.
#[tokio::test]
async fn a_faulty_discovery_is_told_with_its_line() {
    let dir = folder("");
    let good = definition_at("https://backend.example/api/1/", "");
    let check = async |text: &str, expected: &str| {
        std::fs::write(dir.path().join("sources.toml"), text).unwrap();
        let ended = run_in(
            dir.path(),
            &["check", "--offline"],
            &[("TimerSchedule", "0 * * * * *")],
        )
        .await;
        let told = format!("{}{}", ended.out, ended.err);
        assert!(told.contains(expected), "{text}: {expected:?} is not in {told}");
        ended.code
    };
    assert_eq!(
        check(
            &good,
            "the sites of th.drones@example.com at https://backend.example/api/1/ are found there"
        )
        .await,
        Some(0)
    );
    for (more, expected) in [
        ("include = []", "sources.toml:9 [source 1].include: is empty"),
        (
            "include = \"Plant *\"",
            "[source 1].include: is a text; write a list of patterns",
        ),
        (
            "include = [7]",
            "[source 1].include: holds a number; write each pattern in quotes",
        ),
        ("exclude = [\"\"]", "[source 1].exclude: holds an empty text"),
        ("exclude = [\"[a\"]", "[source 1].exclude: is no pattern"),
        (
            "id = \"x\"",
            "[x].id: names one source, but `sites` may name several",
        ),
        ("site = \"x\"", "[source 1].sites: is given beside `site`"),
        ("every = \"0s\"", "[source 1].every: `0s` is not from"),
    ] {
        let text = definition_at("https://backend.example/api/1/", more);
        assert_eq!(check(&text, expected).await, Some(64));
    }
    let site = good.replace("sites = \"*\"", "site = \"s\"\ninclude = [\"a\"]");
    assert_eq!(
        check(
            &site,
            "[source 1].include: chooses among the sites of `sites = \"*\"` only"
        )
        .await,
        Some(64)
    );
    let list = good.replace("\"*\"", "[\"*\"]");
    assert_eq!(
        check(&list, "[source 1].sites: is `*`, which names no site").await,
        Some(64)
    );
    let reader =
        "[[source]]\nid = \"r\"\nkind = \"tasmota\"\nurl = \"reader\"\nzone = \"UTC\"\ninclude = [\"a\"]\n";
    assert_eq!(
        check(
            reader,
            "[r].include: means nothing here; it is for kind `rapidm2m`"
        )
        .await,
        Some(64)
    );
}

/// People see lists in the commands and in health: before any tick as they would be, afterwards as they are.
#[tokio::test]
async fn people_see_the_sites() {
    let backend = backend(&["Plant 1", "Plant 2"]).await;
    let handler = Handler::start(
        &[("TimerSchedule", "0 * * * * *")],
        &definition(&backend, "exclude = [\"*2\"]"),
    )
    .await;
    let dir = handler.dir.path();
    let run = async |arguments: &[&str]| {
        let ended = run_in(dir, arguments, &[]).await;
        format!("{}{}", ended.out, ended.err)
    };
    let dry = run(&["poll", "--dry-run"]).await;
    assert!(dry.contains("plant-1-") && !dry.contains("plant-2-"), "{dry}");
    let check = run(&["check"]).await;
    assert!(
        check.contains("2 sites are listed now: 1 taken, 1 left out"),
        "{check}"
    );
    assert!(check.contains("no list was stored yet"), "{check}");
    let plan = run(&["plan"]).await;
    assert!(
        plan.contains("are not counted: no list of them is stored"),
        "{plan}"
    );

    assert_eq!(handler.tick().await.status, 200);
    let tick = handler.tick().await;
    assert!(tick.body.contains("1 sources polled"), "{tick:?}");
    let plan = run(&["plan"]).await;
    assert!(
        plan.contains("plant-1-") && !plan.contains("not counted"),
        "{plan}"
    );
    let list = run(&["sources", "list"]).await;
    assert!(list.contains("1 taken, 1 left out, listed at"), "{list}");
    let health = handler.get("/api/health").await.json();
    assert_eq!(health["discoveries"][0]["taken"], 1, "{health}");
    assert_eq!(health["discoveries"][0]["customer"], CUSTOMER);
}

/// A discovery may be defined in the store, too: its password is a setting, and it ends when it is removed.
#[tokio::test]
async fn the_store_may_define_a_discovery() {
    let backend = backend(&["Plant 1", "Plant 2"]).await;
    let dir = folder("");
    let settings = [("TimerSchedule", "0 * * * * *"), ("SOURCE_M2M", "demo")];
    let run = async |arguments: &[&str]| {
        let ended = run_in(dir.path(), arguments, &settings).await;
        (ended.code.unwrap(), format!("{}{}", ended.out, ended.err))
    };
    let text = definition(&backend, "exclude = [\"*1\"]").replace("\"demo\"", "\"${SOURCE_M2M}\"");
    std::fs::write(dir.path().join("m2m.toml"), text).unwrap();
    let (code, put) = run(&["sources", "put", "m2m.toml"]).await;
    assert!(code == 0 && put.contains(": added"), "{put}");
    let name = put.lines().find_map(|line| line.strip_suffix(": added")).unwrap();
    assert!(name.starts_with("th-drones-example-com-"), "{name}");
    // No identity at the hub: what is read is stored and waits.
    let (_, poll) = run(&["poll"]).await;
    assert!(poll.contains("plant-2-") && !poll.contains("plant-1-"), "{poll}");
    let (_, list) = run(&["sources", "list"]).await;
    assert!(list.contains("1 taken, 1 left out"), "{list}");
    let (code, removed) = run(&["sources", "remove", name]).await;
    assert_eq!(code, 0, "{removed}");
    let (_, list) = run(&["sources", "list"]).await;
    assert!(!list.contains("plant-2-"), "{list}");
}
