//! What `/cm` answers. Everything here is a function of the options, the seed and the instant.

use std::fmt::Write;

use super::curve::mix;
use super::labels::{Field, Quantity};
use super::time::write_time;
use super::{Access, Curve, Firmware, ReaderOptions};

const DAY_MS: i64 = 86_400_000;
/// The numbers of a script have at most this many decimals; every quantity is computed in this resolution.
const DECIMALS: u32 = 7;

/// A device at an instant.
pub(super) struct Moment<'a> {
    pub(super) options: &'a ReaderOptions,
    pub(super) seed: u64,
    /// Now, in milliseconds since 1970 UTC.
    pub(super) now_ms: i64,
    /// When the device was started.
    pub(super) started_ms: i64,
    /// Of which instant the values are: not now when the optical head is dead.
    pub(super) values_ms: i64,
    pub(super) numbers: Numbers,
    /// Whether the clock is still unset.
    pub(super) before_ntp: bool,
}

/// What stands in place of the numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbers {
    Right,
    Zero,
    Null,
}

impl Moment<'_> {
    /// The answer to a command, in any case of letters.
    pub(super) fn answer(&self, command: &str) -> String {
        let mut out = String::with_capacity(512);
        out.push('{');
        let mut words = command.split_ascii_whitespace();
        let known = words
            .next()
            .is_some_and(|word| word.eq_ignore_ascii_case("status"));
        match (known, words.next(), words.next()) {
            (true, Some("10" | "8"), None) => self.sensors(&mut out),
            (true, None, None) => self.status(&mut out),
            (true, Some("0"), None) => {
                for part in [
                    Self::status,
                    Self::firmware,
                    Self::network,
                    Self::times,
                    Self::sensors,
                ] {
                    part(self, &mut out);
                    out.push(',');
                }
                self.state(&mut out);
            }
            (true, Some("2"), None) => self.firmware(&mut out),
            (true, Some("5"), None) => self.network(&mut out),
            (true, Some("7"), None) => self.times(&mut out),
            (true, Some("11"), None) => self.state(&mut out),
            _ => out.push_str(r#""Command":"Unknown""#),
        }
        out.push('}');
        out
    }

    fn time(&self, out: &mut String) {
        let before_ntp = self.before_ntp.then(|| self.uptime_ms());
        write_time(
            out,
            self.options.zone,
            self.options.time_format,
            self.now_ms,
            before_ntp,
        );
    }

    fn uptime_ms(&self) -> i64 {
        (self.now_ms - self.started_ms).max(0)
    }

    fn sensors(&self, out: &mut String) {
        out.push_str(r#""StatusSNS":{"#);
        self.time(out);
        for (index, meter) in self.options.meters.iter().enumerate() {
            let fields = meter.labels.fields();
            if fields.is_empty() {
                continue;
            }
            let values = Values::new(self, index as u64);
            let _ = write!(out, r#","{}":"#, meter.prefix());
            for (position, field) in fields.iter().enumerate() {
                out.push(if position == 0 { '{' } else { ',' });
                let _ = write!(out, r#""{}":"#, field.label);
                values.write(out, field);
            }
            out.push('}');
        }
        if self.options.meters.len() > 1 {
            out.push_str(r#","TempUnit":"C""#);
        }
        out.push('}');
    }

    fn times(&self, out: &mut String) {
        let now_ms = if self.before_ntp {
            self.uptime_ms()
        } else {
            self.now_ms
        };
        out.push_str(&self.options.zone.status(now_ms, self.options.time_format));
    }

    fn status(&self, out: &mut String) {
        out.push_str(
            r#""Status":{"Module":0,"DeviceName":"bitShake SmartMeterReader","FriendlyName":["bitShake"],"Topic":"tasmota_5E1A3C","ButtonTopic":"0","Power":"0","PowerOnState":3,"LedState":1}"#,
        );
    }

    fn firmware(&self, out: &mut String) {
        let (version, hardware) = match self.options.firmware {
            Firmware::V15 => ("15.2.0", "ESP32-C3 v0.4"),
            older => (older.version(), "ESP8266EX"),
        };
        let _ = write!(
            out,
            r#""StatusFWR":{{"Version":"{version}(bitshake)","BuildDateTime":"2026-01-20T10:11:12","CpuFrequency":80,"Hardware":"{hardware}"}}"#
        );
    }

    fn network(&self, out: &mut String) {
        let options = self.options;
        let api = u8::from(options.access != Access::ApiOff);
        let mac = mix(self.seed).to_be_bytes();
        let _ = write!(
            out,
            r#""StatusNET":{{"Hostname":"{}","IPAddress":"{}","Gateway":"192.168.1.1","Subnetmask":"255.255.255.0","Mac":"5C:CF:7F:{:02X}:{:02X}:{:02X}","Webserver":2,"HTTP_API":{api},"WifiConfig":4}}"#,
            options.hostname, options.address, mac[0], mac[1], mac[2]
        );
    }

    fn state(&self, out: &mut String) {
        out.push_str(r#""StatusSTS":{"#);
        self.time(out);
        let seconds = self.uptime_ms() / 1_000;
        // Wi-Fi comes and goes a little each minute.
        let rssi = 55 + (mix(self.seed ^ (self.now_ms / 60_000) as u64) % 30) as i64;
        let _ = write!(
            out,
            r#","Uptime":"{}T{:02}:{:02}:{:02}","UptimeSec":{seconds},"Heap":24,"SleepMode":"Dynamic","Sleep":50,"LoadAvg":19,"MqttCount":0,"Wifi":{{"AP":1,"SSId":"home","Channel":6,"Mode":"11n","RSSI":{rssi},"Signal":{},"LinkCount":1,"Downtime":"0T00:00:03"}}}}"#,
            seconds / 86_400,
            seconds / 3_600 % 24,
            seconds / 60 % 60,
            seconds % 60,
            rssi / 2 - 100
        );
    }
}

/// The values of one meter at one instant.
struct Values<'a, 'b> {
    moment: &'a Moment<'b>,
    curve: Curve,
    seed: u64,
    load: super::Load,
}

impl<'a, 'b> Values<'a, 'b> {
    fn new(moment: &'a Moment<'b>, meter: u64) -> Self {
        let seed = moment.seed.wrapping_add(meter << 32);
        let curve = Curve::new(seed, moment.options.solar);
        Self {
            moment,
            curve,
            seed,
            load: curve.at(moment.values_ms),
        }
    }

    fn write(&self, out: &mut String, field: &Field) {
        match (field.quantity, self.moment.numbers) {
            (Quantity::MeterId, Numbers::Right) => {
                let _ = write!(out, r#""0901454d48{:010x}""#, mix(self.seed) >> 24);
                return;
            }
            (Quantity::MeterId | Quantity::NoId, _) => return out.push_str(r#""""#),
            (_, Numbers::Null) => return out.push_str("null"),
            _ => {}
        }
        let number = if self.moment.numbers == Numbers::Zero {
            0
        } else {
            self.scaled(field.quantity)
        };
        if field.quoted {
            out.push('"');
        }
        write_decimal(out, number, field.decimals);
        if field.quoted {
            out.push('"');
        }
    }

    /// The value in ten millionths of its unit.
    fn scaled(&self, quantity: Quantity) -> i64 {
        let load = &self.load;
        let kilowatt_hours = |wms: i64| wms / 360;
        let watts = |milliwatts: i64| milliwatts * 10_000;
        match quantity {
            Quantity::Import => kilowatt_hours(load.import_wms),
            Quantity::Export => kilowatt_hours(load.export_wms),
            // In tenths of a watt hour: all that such meters show, and far from what 64 bits hold.
            Quantity::ImportWh => load.import_wms / 360_000 * 1_000_000,
            Quantity::ExportWh => load.export_wms / 360_000 * 1_000_000,
            Quantity::Today => kilowatt_hours(load.import_wms - self.at_midnight(0)),
            Quantity::Yesterday => kilowatt_hours(self.at_midnight(0) - self.at_midnight(1)),
            Quantity::Power => watts(load.power_mw),
            Quantity::PowerKw => load.power_mw * 10,
            Quantity::Drawn => watts(load.power_mw.max(0)),
            Quantity::DrawnKw => load.power_mw.max(0) * 10,
            Quantity::Fed => watts((-load.power_mw).max(0)),
            Quantity::FedKw => (-load.power_mw).max(0) * 10,
            Quantity::Phase(phase) => watts(phase_power(load.power_mw, phase)),
            Quantity::Voltage(phase) => self.volts(phase) * 1_000_000,
            // Milliwatts by tenths of a volt.
            Quantity::Current(phase) => phase_power(load.power_mw, phase).abs() * 100_000 / self.volts(phase),
            Quantity::Angle => 1_200_000_000 + self.wobble(7, 20) * 1_000_000,
            Quantity::Frequency => 500_000_000 + self.wobble(8, 3) * 100_000,
            Quantity::Factor => 9_500_000,
            Quantity::Nought | Quantity::MeterId | Quantity::NoId => 0,
        }
    }

    /// Tenths of a volt.
    fn volts(&self, phase: u8) -> i64 {
        2_305 + self.wobble(u64::from(phase), 35)
    }

    /// A number between `-most` and `most` that stands for a minute.
    fn wobble(&self, salt: u64, most: i64) -> i64 {
        let minute = (self.moment.values_ms / 60_000) as u64;
        (mix(self.seed ^ mix(minute) ^ mix(salt)) % (2 * most as u64 + 1)) as i64 - most
    }

    /// What was imported until local midnight, today or days ago, in watt milliseconds.
    fn at_midnight(&self, days_ago: i64) -> i64 {
        let at = self.moment.values_ms;
        let offset = i64::from(self.moment.options.zone.offset_minutes(at)) * 60_000;
        self.curve
            .at((at + offset).div_euclid(DAY_MS) * DAY_MS - offset - days_ago * DAY_MS)
            .import_wms
    }
}

/// The phases share the power, and their sum is exactly all of it.
fn phase_power(milliwatts: i64, phase: u8) -> i64 {
    match phase {
        1 => milliwatts - milliwatts * 3 / 10 - milliwatts / 5,
        2 => milliwatts * 3 / 10,
        _ => milliwatts / 5,
    }
}

/// Appends ten millionths with `decimals` digits after the point, the rest cut off.
fn write_decimal(out: &mut String, value: i64, decimals: u32) {
    let cut = value / 10_i64.pow(DECIMALS - decimals);
    let one = 10_u64.pow(decimals);
    if cut < 0 {
        out.push('-');
    }
    let digits = cut.unsigned_abs();
    let _ = match decimals {
        0 => write!(out, "{digits}"),
        _ => write!(
            out,
            "{}.{:0width$}",
            digits / one,
            digits % one,
            width = decimals as usize
        ),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_cut_and_padded() {
        let check = |value, decimals, expected: &str| {
            let mut out = String::new();
            write_decimal(&mut out, value, decimals);
            assert_eq!(out, expected);
        };
        check(97_980_310_000, 3, "9798.031");
        check(97_980_319_999, 3, "9798.031");
        check(97_980_310_000, 0, "9798");
        check(-4_642_100_000, 2, "-464.21");
        check(-500_000, 2, "-0.05");
        check(-1, 2, "0.00");
        check(0, 1, "0.0");
        check(1, 7, "0.0000001");
    }

    #[test]
    fn phases_sum_up_to_the_power() {
        for power in [-7_654_321, -1, 0, 9, 1_234_567] {
            assert_eq!((1..=3).map(|phase| phase_power(power, phase)).sum::<i64>(), power);
        }
    }
}
