use std::borrow::Cow;

use clap::ValueEnum;

use Quantity::{
    Angle, Current, Drawn, DrawnKw, Export, ExportWh, Factor, Fed, FedKw, Frequency, Import, ImportWh,
    MeterId, NoId, Nought, Phase, Power, PowerKw, Today, Voltage, Yesterday,
};

/// What a meter script calls its values. Scripts are free text, so each meter has its own names, units and traps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Labels {
    /// bitShake on an MT631 without PIN: whole kWh, every power 0, no server id.
    Mt631Locked,
    /// bitShake on an MT631 with PIN: `ImportActive`, `ExportActive`, `Power`.
    #[default]
    Mt631,
    /// bitShake Air on an Itron: counters alone, no power.
    Itron,
    /// `Verbrauch_Summe`, `Einspeisung_Summe`, `Watt_*`, `Volt_*`.
    Verbrauch,
    /// `total_kwh` and `curr_w`.
    TotalKwh,
    /// The commonest script: `Total_in`, `Total_out`, `Power_curr`, phases, `Meter_id`.
    Total,
    /// OBIS-like: `1_8_0`, `2_8_0`, `16_7_0`.
    Obis,
    /// EMH ED300L: the key `Tariflos` twice, first import, then export.
    Twice,
    /// Every number is a text: `"9755.000"`.
    Texts,
    /// Apator Lepus: counters in Wh, power as `power`.
    WattHours,
    /// Landis+Gyr E350: power in kW, import and export apart.
    Kilowatts,
    /// Names that break dotted paths: `kW_L1+L2+L3`, `zaehler_a+`, `ELZ_PV_1.8.0`, ` amperage_l1` with its blank.
    Odd,
    /// A plug with power metering: not a meter.
    Plug,
    /// A device without sensors: only the time.
    None,
}

/// A meter on the optical head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meter {
    /// What its script calls its values.
    pub labels: Labels,
    /// The name of its object in the answer. `None`: as its script has it. Two meters need two names.
    pub prefix: Option<Cow<'static, str>>,
}

impl From<Labels> for Meter {
    fn from(labels: Labels) -> Self {
        Self { labels, prefix: None }
    }
}

impl Meter {
    pub(super) fn prefix(&self) -> &str {
        self.prefix.as_deref().unwrap_or_else(|| self.labels.prefix())
    }
}

/// One value of a script.
pub(super) struct Field {
    pub(super) label: &'static str,
    pub(super) quantity: Quantity,
    /// Digits after the point.
    pub(super) decimals: u32,
    /// Whether the number is written between quotes.
    pub(super) quoted: bool,
}

/// What a value measures, and in which unit. Counters are kWh and powers W where the name says nothing else.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    Import,
    Export,
    ImportWh,
    ExportWh,
    /// Import since local midnight.
    Today,
    /// Import of the local day before.
    Yesterday,
    /// Positive: import.
    Power,
    PowerKw,
    /// Import alone, never negative.
    Drawn,
    DrawnKw,
    /// Export alone, never negative.
    Fed,
    FedKw,
    /// Power of phase 1 to 3.
    Phase(u8),
    Voltage(u8),
    Current(u8),
    Angle,
    Frequency,
    Factor,
    /// Always 0: the meter does not tell.
    Nought,
    MeterId,
    /// An empty id: the meter does not tell.
    NoId,
}

const fn number(label: &'static str, quantity: Quantity, decimals: u32) -> Field {
    Field {
        label,
        quantity,
        decimals,
        quoted: false,
    }
}

const fn quoted(label: &'static str, quantity: Quantity, decimals: u32) -> Field {
    Field {
        label,
        quantity,
        decimals,
        quoted: true,
    }
}

impl Labels {
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::Mt631Locked | Self::Mt631 => "MT631",
            Self::Itron => "Itron",
            Self::Twice => "ED300L",
            Self::WattHours => "LEPUS",
            Self::Kilowatts => "E350",
            Self::Odd => "ZMB120",
            Self::Plug => "ENERGY",
            Self::Verbrauch | Self::TotalKwh | Self::Total | Self::Obis | Self::Texts | Self::None => "SML",
        }
    }

    /// The values in the order of the answer. Without any, the meter does not appear.
    pub(super) fn fields(self) -> &'static [Field] {
        match self {
            Self::Mt631Locked => {
                const {
                    &[
                        number("E_in", Import, 0),
                        number("E_out", Export, 0),
                        number("Power", Nought, 0),
                        number("power_L1", Nought, 0),
                        number("power_L2", Nought, 0),
                        number("power_L3", Nought, 0),
                        number("Curr_p1", Nought, 0),
                        number("Volt_p1", Nought, 0),
                        number("angle_L2_L1", Nought, 0),
                        number("Freq", Nought, 0),
                        number("server_id", NoId, 0),
                    ]
                }
            }
            Self::Mt631 => {
                const {
                    &[
                        number("ImportActive", Import, 3),
                        number("ExportActive", Export, 3),
                        number("Power", Power, 0),
                    ]
                }
            }
            Self::Itron => const { &[number("E_in", Import, 4), number("E_out", Export, 4)] },
            Self::Verbrauch => {
                const {
                    &[
                        number("Verbrauch_Summe", Import, 7),
                        number("Einspeisung_Summe", Export, 7),
                        number("Watt_L1", Phase(1), 2),
                        number("Watt_L2", Phase(2), 2),
                        number("Watt_L3", Phase(3), 2),
                        number("Watt_Summe", Power, 2),
                        number("Volt_L1", Voltage(1), 1),
                        number("Volt_L2", Voltage(2), 1),
                        number("Volt_L3", Voltage(3), 1),
                    ]
                }
            }
            Self::TotalKwh => const { &[number("total_kwh", Import, 3), number("curr_w", Power, 0)] },
            Self::Total => {
                const {
                    &[
                        number("Total_in", Import, 3),
                        number("Total_out", Export, 3),
                        number("Power_curr", Power, 0),
                        number("Power_L1", Phase(1), 0),
                        number("Power_L2", Phase(2), 0),
                        number("Power_L3", Phase(3), 0),
                        number("Meter_id", MeterId, 0),
                    ]
                }
            }
            Self::Obis => {
                const {
                    &[
                        number("1_8_0", Import, 4),
                        number("2_8_0", Export, 4),
                        number("16_7_0", Power, 0),
                    ]
                }
            }
            Self::Twice => {
                const {
                    &[
                        number("Tariflos", Import, 2),
                        number("Tariflos", Export, 2),
                        number("Power", Power, 0),
                    ]
                }
            }
            Self::Texts => {
                const {
                    &[
                        quoted("Total_in", Import, 3),
                        quoted("Total_out", Export, 3),
                        quoted("Power_curr", Power, 1),
                    ]
                }
            }
            Self::WattHours => {
                const {
                    &[
                        number("total_in", ImportWh, 1),
                        number("total_out", ExportWh, 1),
                        number("power", Power, 1),
                    ]
                }
            }
            Self::Kilowatts => {
                const {
                    &[
                        number("Total_in", Import, 3),
                        number("Total_out", Export, 3),
                        number("Power_in", DrawnKw, 3),
                        number("Power_out", FedKw, 3),
                    ]
                }
            }
            Self::Odd => {
                const {
                    &[
                        number("1-8-0", Import, 3),
                        number("zaehler_a+", Import, 3),
                        number("ELZ_PV_1.8.0", Export, 3),
                        number("kW_L1+L2+L3", PowerKw, 3),
                        number("Pp", Drawn, 0),
                        number("Pm", Fed, 0),
                        number(" amperage_l1", Current(1), 2),
                        number("angle/L2~L1", Angle, 1),
                        number("Freq", Frequency, 2),
                    ]
                }
            }
            Self::Plug => {
                const {
                    &[
                        number("Total", Import, 3),
                        number("Yesterday", Yesterday, 3),
                        number("Today", Today, 3),
                        number("Power", Drawn, 0),
                        number("Factor", Factor, 2),
                        number("Voltage", Voltage(1), 0),
                        number("Current", Current(1), 3),
                    ]
                }
            }
            Self::None => &[],
        }
    }
}
