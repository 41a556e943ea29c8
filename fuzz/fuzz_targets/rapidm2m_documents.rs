//! Blueprints, lists of sites and refusals of a rapidM2M backend: names are never empty, and an error is one short line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meterbridge::source::rapidm2m::blueprint::Blueprint;
use meterbridge::source::rapidm2m::refusal;
use meterbridge::source::rapidm2m::site::Site;
use meterbridge_fuzz::dice;

fuzz_target!(|body: &[u8]| {
    let dice = dice(body);
    let status = [200, 301, 400, 401, 403, 404, 408, 418, 429, 500, 503, 599][(dice % 12) as usize];
    let error = refusal::of_status(
        "https://backend/",
        "site x",
        status,
        &String::from_utf8_lossy(body),
        None,
    );
    let text = error.to_string();
    assert!(!text.contains(char::is_control), "{text:?}");
    assert!(text.chars().count() < 800, "{} characters", text.chars().count());
    assert!(!(error.is_transient() && matches!(status, 401 | 403 | 404)));

    let Ok(document) = serde_json::from_slice(body) else {
        return;
    };
    if let Some(site) = Site::read(&document) {
        assert!(!site.id.is_empty());
    }
    for site in Site::list(&document).unwrap_or_default() {
        assert!(!site.id.is_empty());
    }
    for number in 0..10 {
        let Some(blueprint) = Blueprint::read(&document, number) else {
            continue;
        };
        for (name, field) in blueprint.iter() {
            assert_eq!(blueprint.get(name), Some(field), "a name comes before an alias");
            assert_eq!(field.title.trim(), field.title);
        }
    }
});
