//! Which label means what, without configuration: a table of the labels that published reader scripts use.
//!
//! Sources: the scripts of Tasmota's Smart Meter Interface page, bitShake's own labels (`E_in`, `E_out`, `Power`), and the
//! mapping tables of clients that read such readers. Letter case and blanks around a label do not matter, since scripts
//! differ in both. What a label leaves open is left open: no unit where scripts disagree, no code where they contradict.

use std::collections::HashMap;
use std::sync::LazyLock;

/// What a label means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// OBIS code in its full form, `1-0:1.8.0*255` (IEC 62056-61).
    pub obis: String,
    /// Unit of the values as the reader gives them; `None` where scripts use the label with several.
    pub unit: Option<&'static str>,
}

/// What kind of quantity a channel is; decides what its zero may mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A counter of energy: never falls.
    Counter,
    /// Active power, as a sum or of one phase.
    Power,
    /// Another instantaneous value: voltage, current, frequency, angle.
    Instant,
    /// Not known: sent as it is, always.
    Unknown,
}

/// What a label of a meter's prefix means. `siblings` tells whether the same prefix has another label (in lower case),
/// since one of a pair (`Power_in` beside `Power_out`) means something else alone.
#[must_use]
pub fn meaning(prefix: &str, label: &str, siblings: impl Fn(&str) -> bool) -> Option<Meaning> {
    if !is_meter(prefix) {
        return None;
    }
    let label = folded(label);
    let prefix = folded(prefix);
    let (code, unit) = match label.as_str() {
        // Meters that tell import and export apart use the plain label for import.
        "power" if siblings("power2") => ("1.7.0", Some("W")),
        "power2" => ("2.7.0", Some("W")),
        // Alone it is the balance; the E230 and E350 scripts give kW.
        "power_in" | "power_out" => {
            let code = match label.as_str() {
                "power_out" => "2.7.0",
                _ if siblings("power_out") => "1.7.0",
                _ => "16.7.0",
            };
            let unit = if matches!(prefix.as_str(), "e230" | "e350") {
                "kW"
            } else {
                "W"
            };
            (code, Some(unit))
        }
        // Elsewhere this is a current in ampere.
        "current" if prefix == "lk13be" => ("16.7.0", Some("W")),
        label => match TABLE.get(label) {
            Some(&(code, unit)) => (code, unit),
            None => return by_code(label),
        },
    };
    Some(Meaning {
        obis: full(code),
        unit,
    })
}

/// Whether a label names the meter: its value is neither sent nor reported.
#[must_use]
pub fn is_id(label: &str) -> bool {
    IDS.contains(&folded(label).as_str())
}

/// Whether values below this prefix may be a meter's. The firmware's own sensors and scripts for water, gas and heat use the
/// same labels for other things.
#[must_use]
pub fn is_meter(prefix: &str) -> bool {
    let prefix = folded(prefix);
    !prefix.is_empty()
        && !OTHERS.contains(&prefix.as_str())
        && !OTHERS_START.iter().any(|start| prefix.starts_with(start))
}

/// The role that an OBIS code gives, in full or short form: by its groups C and D.
#[must_use]
pub fn role(obis: &str) -> Role {
    let short = obis.split_once(':').map_or(obis, |(_, rest)| rest);
    let short = short.split('*').next().unwrap_or_default();
    let mut groups = short.split('.').map(str::parse::<u8>);
    match (groups.next(), groups.next()) {
        (Some(Ok(_)), Some(Ok(8))) => Role::Counter,
        (
            Some(Ok(1 | 2 | 15 | 16 | 21 | 22 | 35 | 36 | 41 | 42 | 55 | 56 | 61 | 62 | 75 | 76)),
            Some(Ok(7)),
        ) => Role::Power,
        (Some(Ok(_)), Some(Ok(7))) => Role::Instant,
        _ => Role::Unknown,
    }
}

/// A label that is an OBIS code itself: `1-8-0`, `16_7_0`, `1.8.0`. Units only where all scripts agree: energy comes in kWh
/// and in Wh, import and export apart in kW and in W.
fn by_code(label: &str) -> Option<Meaning> {
    let groups: Vec<u8> = label
        .split(['-', '_', '.'])
        .map(|g| g.parse().ok().filter(|_| g.bytes().all(|b| b.is_ascii_digit())))
        .collect::<Option<_>>()?;
    let [c, d, e] = groups[..] else { return None };
    let unit = match (c, d) {
        (1..=4, 8) | (1 | 2 | 21 | 22 | 41 | 42 | 61 | 62, 7) => None,
        (16 | 36 | 56 | 76, 7) => Some("W"),
        (12 | 32 | 52 | 72, 7) => Some("V"),
        (11 | 31 | 51 | 71, 7) => Some("A"),
        (14, 7) => Some("Hz"),
        // The E650's mean power of the running period.
        (1 | 2, 5) => Some("kW"),
        _ => return None,
    };
    Some(Meaning {
        obis: full(&format!("{c}.{d}.{e}")),
        unit,
    })
}

fn full(code: &str) -> String {
    format!("1-0:{code}*255")
}

fn folded(text: &str) -> String {
    text.trim().to_lowercase()
}

/// Label in lower case to code and unit; phases written out.
static TABLE: LazyLock<HashMap<String, (&'static str, Option<&'static str>)>> = LazyLock::new(|| {
    let mut table = HashMap::new();
    for (code, unit, labels) in LABELS {
        for label in labels.split(' ') {
            table.insert(label.to_owned(), (*code, Some(*unit)));
        }
    }
    for (codes, unit, labels) in PHASES {
        for label in labels.split(' ') {
            for (code, phase) in codes.iter().zip(["1", "2", "3"]) {
                table.insert(label.replace('#', phase), (*code, Some(*unit)));
            }
        }
    }
    table
});

/// Code, unit, labels.
const LABELS: &[(&str, &str, &str)] = &[
    (
        "1.8.0",
        "kWh",
        "e_in total_in totalin energy total total_kwh total_summe verbrauch_summe bezug energy_imported importactive \
         counter_pos zaehler_a+ zaehlerstand_180 total_consumed_kwh kwh_in pos_wirk_tariflos meter_reading_total \
         power_total_in power_sum pges",
    ),
    ("1.8.0", "Wh", "input_total total_consumption"),
    (
        "2.8.0",
        "kWh",
        "e_out total_out totalout einspeisung_summe einspeisung export_total_kwh energy_exported exportactive \
         counter_neg zaehler_a- zaehlerstand_280 total_delivered_kwh total_kwh_out kwh_out neg_wirk_tariflos \
         neg_active_total total_einsp power_total_out",
    ),
    ("2.8.0", "Wh", "output_total total_active_energy"),
    (
        "1.8.1",
        "kWh",
        "verbrauch_t1 total_tarif1 t1_bezug kwh_in_t1 pos_wirk_tarif_1 e_in_t1 total_in_t1 ht_total_in",
    ),
    (
        "1.8.2",
        "kWh",
        "verbrauch_t2 total_tarif2 t2_bezug kwh_in_t2 pos_wirk_tarif_2 e_in_t2 total_in_t2 nt_total_in",
    ),
    (
        "2.8.1",
        "kWh",
        "t1_einspeisung kwh_out_t1 neg_wirk_tarif_1 e_out_t1 total_out_t1",
    ),
    (
        "2.8.2",
        "kWh",
        "t2_einspeisung kwh_out_t2 neg_wirk_tarif_2 e_out_t2 total_out_t2",
    ),
    (
        "16.7.0",
        "W",
        "power power_curr power_cur curr_w p watt_summe leistung power_total currpower current_active_power \
         momentanwirkleistung p_l1_l2_l3",
    ),
    ("16.7.0", "kW", "kw_l1+l2+l3"),
    ("1.7.0", "W", "p_in pimport power_import"),
    ("2.7.0", "W", "p_out pexport power_export"),
    ("1.7.0", "kW", "pp pwr_imp kw_in"),
    ("2.7.0", "kW", "pm pwr_exp kw_out"),
    (
        "14.7.0",
        "Hz",
        "freq frequency hz net_frequency netz_frequenz grid_frequency",
    ),
    (
        "81.7.1",
        "°",
        "angle_l2_l1 phase_angle_l2_l1 phase_l1_l2 phasenwinkel_u_l1_l2",
    ),
    (
        "81.7.2",
        "°",
        "angle_l3_l1 phase_angle_l3_l1 phase_l1_l3 phasenwinkel_u_l1_l3",
    ),
];

/// Codes of the three phases, unit, labels with `#` for the phase.
const PHASES: &[([&str; 3], &str, &str)] = &[
    (
        ["36.7.0", "56.7.0", "76.7.0"],
        "W",
        "power_l# power_p# power_curr_p# power_l#_curr power_phase# p_l# l# watt_l# wirkleistung_l# leistung_l# \
         active_power_l#",
    ),
    (["36.7.0", "56.7.0", "76.7.0"], "kW", "kw_l#"),
    (
        ["32.7.0", "52.7.0", "72.7.0"],
        "V",
        "volt_p# volt_l# volts_l# volt_l#_curr voltage_l# voltage_p# voltage_phase# spannung_l#",
    ),
    (
        ["31.7.0", "51.7.0", "71.7.0"],
        "A",
        "curr_p# curr_l# amperage_p# amperage_l# amperage_l#_curr amp_p# amp_l# current_l# current_p# strom_l# i_l#",
    ),
    (
        ["81.7.4", "81.7.15", "81.7.26"],
        "°",
        "phase_angle_p# phase_angle_l# phase_l# phasenwinkel_i_u_l#",
    ),
];

/// Labels of meter numbers.
const IDS: &[&str] = &[
    "meter_id",
    "meterid",
    "meter_number",
    "meternumber",
    "server_id",
    "serverid",
    "serial",
    "serialnr",
    "serial_number",
    "id",
    "zid",
    "znr",
    "netid",
    "96_1_0",
    "96-1-0",
    "96.1.0",
    "0_0_0",
    "0-0-0",
    "0.0.0",
];

/// Prefixes of the firmware's own sensors that share labels with meters.
const OTHERS: &[&str] = &["energy", "analog", "esp32", "h2o", "h20", "counter"];

/// The same by how they begin: current sensors, and what is no electricity.
const OTHERS_START: &[&str] = &[
    "ina2", "ina3", "ads1", "max17", "gas", "wasser", "water", "waerme", "wärme", "heizung", "heat",
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn labels_of_published_scripts_are_recognised() {
        let check = |prefix: &str, label: &str, expected: Option<(&str, Option<&str>)>| {
            let found = meaning(prefix, label, |_| false);
            let expected = expected.map(|(code, unit)| (format!("1-0:{code}*255"), unit));
            assert_eq!(found.map(|m| (m.obis, m.unit)), expected, "{prefix} {label}");
        };
        let kwh = Some("kWh");
        let w = Some("W");
        for label in [
            "E_in",
            "Total_in",
            "energy",
            "total_kwh",
            "total",
            "Verbrauch_Summe",
            "Bezug",
            "TotalIn",
            "energy_imported",
            "counter_pos",
            "ImportActive",
            "zaehler_a+",
        ] {
            check("SML", label, Some(("1.8.0", kwh)));
        }
        for label in [
            "E_out",
            "Total_out",
            "Einspeisung_Summe",
            "total_out",
            "export_total_kwh",
            "energy_exported",
            "ExportActive",
        ] {
            check("SML", label, Some(("2.8.0", kwh)));
        }
        for label in [
            "Power",
            "power",
            "Power_curr",
            "Power_cur",
            "curr_w",
            "16_7_0",
            "P",
            "Watt_Summe",
            "Leistung",
            "Power_total",
            "Power_in",
        ] {
            check("SML", label, Some(("16.7.0", w)));
        }
        check("SML", " amperage_l1", Some(("31.7.0", Some("A"))));
        check("SML", "Volt_p3", Some(("72.7.0", Some("V"))));
        check("SML", "Watt_L2", Some(("56.7.0", w)));
        check("SML", "Freq", Some(("14.7.0", Some("Hz"))));
        check("ZMB120", "kW_L1+L2+L3", Some(("16.7.0", Some("kW"))));
        check("E230", "Power_in", Some(("16.7.0", Some("kW"))));
        check("Siemens", "Pp", Some(("1.7.0", Some("kW"))));
        check("E650", "1-5-0", Some(("1.5.0", Some("kW"))));
        check("SML", "1-8-0", Some(("1.8.0", None)));
        check("SML", "2_8_1", Some(("2.8.1", None)));
        check("SML", "32_7_0", Some(("32.7.0", Some("V"))));
        check("LEPUS", "input_total", Some(("1.8.0", Some("Wh"))));
        check("LK13BE", "current", Some(("16.7.0", w)));
        for (prefix, label) in [
            ("SML", "current"),
            ("SML", "Tariflos"),
            ("SML", "ELZ_PV_1.8.0"),
            ("SML", "1_8"),
            ("SML", "+1_8_0"),
            ("SML", "1_8_999"),
            ("SML", "99_99_0"),
            ("ENERGY", "Total"),
            ("INA219", "Power"),
            ("Wasser", "total"),
            ("", "Power"),
        ] {
            check(prefix, label, None);
        }
    }

    #[test]
    fn one_of_a_pair_means_its_own_direction() {
        let check = |label: &str, sibling: &str, code: &str| {
            let found = meaning("SML", label, |l| l == sibling).unwrap();
            assert_eq!(found.obis, format!("1-0:{code}*255"), "{label} beside {sibling}");
        };
        check("power_in", "power_out", "1.7.0");
        check("power_out", "power_in", "2.7.0");
        check("Power", "power2", "1.7.0");
        check("Power2", "power", "2.7.0");
    }

    #[test]
    fn roles_follow_the_code() {
        let check = |obis: &str, expected: Role| assert_eq!(role(obis), expected, "{obis}");
        check("1-0:1.8.0*255", Role::Counter);
        check("2.8.1", Role::Counter);
        check("1-0:16.7.0*255", Role::Power);
        check("1-0:76.7.0*255", Role::Power);
        check("1-0:32.7.0*255", Role::Instant);
        check("1-0:96.1.0*255", Role::Unknown);
        check("", Role::Unknown);
        check("x.y", Role::Unknown);
    }

    #[test]
    fn no_label_stands_twice_in_the_table() {
        let labels = LABELS.iter().flat_map(|(_, _, l)| l.split(' ')).count();
        let phases = PHASES.iter().flat_map(|(_, _, l)| l.split(' ')).count() * 3;
        assert_eq!(TABLE.len(), labels + phases);
        assert!(TABLE.keys().all(|label| *label == folded(label) && !is_id(label)));
    }

    proptest! {
        #[test]
        fn any_text_is_a_label(prefix in "\\PC{0,12}", label in "\\PC{0,30}") {
            let _ = meaning(&prefix, &label, |_| true);
            let _ = role(&label);
        }
    }
}
