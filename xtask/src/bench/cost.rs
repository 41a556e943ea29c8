//! Cost: rows in a billing unit, by format, of what really arrived at the hub; beside what would fit if rows could be cut.

use std::process::Stdio;

use serde_json::Value;

use super::handler::Handler;
use super::stage::{Scene, Stage};
use super::table::{Table, Target};
use super::{Context, Outcome};

const BENCH: &str = "cost";
const UNIT: f64 = 4096.0;

pub(super) fn measure(context: &Context, table: &mut Table) -> Outcome<()> {
    let scene = Scene {
        quarters: 40_000,
        keep: true,
        ..Scene::default()
    };
    let stage = Stage::start(context, &scene)?;
    let mut seen = 0;
    for format in ["timeseries", "flat", "columns"] {
        // The flat format has an object for each reading.
        let item = if format == "flat" { "readings" } else { "rows" };
        for units in [46_u32, 1] {
            let handler = Handler::new(context, Some(&stage), &source(&stage))?
                .with("MESSAGE_FORMAT", &format)
                .with("MESSAGE_UNITS", &units);
            let status = handler
                .command(&["poll", "quarters"])
                .stdout(Stdio::null())
                .status()?;
            if !status.success() {
                return Err(format!("the poll ended with {status}").into());
            }
            let messages = stage.kept(seen)?;
            seen = messages.last().and_then(|m| m["number"].as_u64()).unwrap_or(seen);
            let packed = Packed::of(&messages, format, f64::from(units) * UNIT)?;
            let figure = table.add(
                BENCH,
                format!("{format}, {units} units: {item} per unit"),
                packed.rows_per_unit,
                item,
            );
            figure.note(format!(
                "{:.1} bytes each, {:.0} bytes of envelope and properties",
                packed.row, packed.overhead
            ));
            // A row is never cut in two, so that a message of one unit ends up to a row early.
            table
                .add(
                    BENCH,
                    format!("{format}, {units} units: of what fits"),
                    packed.share,
                    "×",
                )
                .target(Target::AtLeast(0.98))
                .note(if units == 1 { "whole rows" } else { "" });
        }
    }
    Ok(())
}

/// How full messages are. The last of each attempt holds what was left and does not count.
struct Packed {
    rows_per_unit: f64,
    /// Bytes of a row, its comma included.
    row: f64,
    /// Bytes of a message that are no rows.
    overhead: f64,
    /// Rows in a message by those that fit.
    share: f64,
}

impl Packed {
    fn of(messages: &[Value], format: &str, limit: f64) -> Outcome<Self> {
        let (mut rows, mut units, mut row_bytes, mut overhead, mut fitting, mut count) =
            (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
        for (at, message) in messages.iter().enumerate() {
            let attempt = |message: &Value| {
                let id = message["messageId"].as_str().unwrap_or_default();
                id.rsplit_once('.').map(|(attempt, _)| attempt.to_owned())
            };
            if messages
                .get(at + 1)
                .is_none_or(|next| attempt(next) != attempt(message))
            {
                continue;
            }
            let body = message["body"].as_str().ok_or("a body that is no text")?;
            let (own, bytes) = rows_of(body, format)?;
            let extra = (body.len() + properties(message)) as f64 - bytes;
            rows += own;
            row_bytes += bytes;
            overhead += extra;
            units += message["units"].as_f64().unwrap_or_default();
            count += 1.0;
            let fits = (limit - extra) / ((bytes + 1.0) / own);
            fitting += if limit <= UNIT { fits.floor() } else { fits };
        }
        if count == 0.0 {
            return Err("no full message arrived".into());
        }
        Ok(Self {
            rows_per_unit: rows / units,
            row: (row_bytes + count) / rows,
            overhead: overhead / count,
            share: rows / fitting,
        })
    }
}

/// Number of rows in a body, and the bytes that they take.
fn rows_of(body: &str, format: &str) -> Outcome<(f64, f64)> {
    let tree: Value = serde_json::from_str(body)?;
    let length = |value: &Value| value.as_array().map_or(0, Vec::len) as f64;
    let inside = |value: &Value| value.to_string().len() as f64 - 2.0;
    Ok(match format {
        "timeseries" => (length(&tree["Timeseries"]), inside(&tree["Timeseries"])),
        "flat" => (length(&tree), inside(&tree)),
        _ => {
            let columns = tree["Channels"].as_object().ok_or("no channels")?;
            let rows = columns.values().map(length).fold(0.0, f64::max);
            (
                rows,
                columns.values().map(inside).sum::<f64>() + inside(&tree["steps"]),
            )
        }
    })
}

/// Bytes of properties that count: values of system properties, names and values of application properties.
fn properties(message: &Value) -> usize {
    let sum = |name: &str, names: bool| -> usize {
        let all = message[name].as_object();
        all.into_iter()
            .flatten()
            .map(|(name, value)| value.as_str().map_or(0, str::len) + if names { name.len() } else { 0 })
            .sum()
    };
    sum("properties", true) + sum("system", false)
}

fn source(stage: &Stage) -> String {
    format!(
        "[[source]]\nid = \"quarters\"\nkind = \"rapidm2m\"\nurl = \"{}\"\nuser = \"{login}\"\n\
         password = \"${{BACKEND_PASSWORD}}\"\ncustomer = \"{login}\"\nsite = \"quarters\"\n\
         channels = [\"ch0\", \"ch1\"]\nstart = {}\nslice = \"366d\"\n",
        stage.text("backend"),
        stage.start_of("quarters"),
        login = stage.text("login"),
    )
}
