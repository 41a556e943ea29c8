use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::series::Series;
use super::stamp;
use super::{Fault, Position, SiteOptions};
use crate::readers::Script;

/// A site with its series.
pub(super) struct Site {
    pub(super) customer: String,
    pub(super) id: String,
    uid: String,
    name: String,
    pub(super) series: BTreeMap<u8, Arc<Series>>,
    position: Option<Position>,
    pub(super) script: Script<Fault>,
}

impl Site {
    pub(super) fn new(customer: &str, options: SiteOptions) -> Self {
        Self {
            uid: options.uid.unwrap_or_else(|| uid_of(customer, &options.id)),
            customer: customer.to_owned(),
            id: options.id,
            name: options.name,
            series: options
                .series
                .into_iter()
                .map(|(number, series)| (number, Arc::new(Series::new(series))))
                .collect(),
            position: options.position,
            script: Script::default(),
        }
    }

    /// Whether a path names this site, by id or uid.
    pub(super) fn is(&self, name: &str) -> bool {
        self.id == name || self.uid == name
    }

    /// The site's description, as `GET sites` lists it (vendor's driver). Values that nobody polls stand still.
    pub(super) fn describe(&self, now_ms: i64) -> Value {
        let youngest = self
            .series
            .values()
            .filter_map(|series| series.youngest(now_ms))
            .max();
        let number = |cell: &super::Cell| serde_json::from_str(cell.as_json()).unwrap_or(Value::Null);
        let position = self
            .position
            .as_ref()
            .map(|at| json!({ "lat": number(&at.latitude), "long": number(&at.longitude) }));
        json!({
            "_uid": self.uid,
            "customer_id": self.customer,
            "site_id": self.id,
            "name": self.name,
            "class": "energy_meter",
            "state": 0,
            "device": {
                "device_id": self.uid.to_uppercase(),
                "stamp": youngest.map(stamp::encode),
                "state": 1,
                "msim_state": 2,
                "pos": position,
                "con": { "path": "gprs", "state": 0 },
                "gsm": { "level": -71, "mcc": 232, "mnc": 1 },
            },
        })
    }

    /// Titles and units of all channels, by series.
    pub(super) fn blueprint(&self) -> Value {
        let series = self.series.iter().map(|(number, series)| {
            let fields: Map<String, Value> = series
                .channels
                .iter()
                .map(|channel| {
                    let mut field = json!({ "title": channel.title, "units": channel.units });
                    if let Some(alias) = &channel.alias {
                        field["alias"] = json!(alias);
                    }
                    (channel.name.clone(), field)
                })
                .collect();
            (format!("histdata{number}"), Value::Object(fields))
        });
        Value::Object(series.collect())
    }

    /// `[[stamp, latitude, longitude, …]]`, or `[]` for a site without a position.
    pub(super) fn youngest_position(&self, now_ms: i64) -> String {
        let Some(position) = &self.position else {
            return "[]".to_owned();
        };
        let fourth = position
            .fourth
            .as_ref()
            .map(|cell| format!(",{}", cell.as_json()))
            .unwrap_or_default();
        let (latitude, longitude) = (position.latitude.as_json(), position.longitude.as_json());
        format!(
            r#"[["{}",{latitude},{longitude}{fourth}]]"#,
            stamp::encode(now_ms)
        )
    }
}

/// 16 hexadecimal digits that are always the same for the same ids (FNV-1a).
fn uid_of(customer: &str, site: &str) -> String {
    let bytes = customer.bytes().chain([0]).chain(site.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}
