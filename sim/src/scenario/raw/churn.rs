//! How machines come and go, as it is typed: a name, or a table with a kind and its numbers.

use std::fmt;
use std::fs;

use restante_proto::limits::{DAY_MS, HOUR_MS};
use restante_sim_population::{BadChurn, Churn, Diurnal, Trace, Weibull};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use toml::Spanned;

use super::{File, ScenarioFault, TIME_MAX_MS, Text};

/// Churn without numbers, or with its own.
pub(super) enum TypedChurn {
    Named(String),
    Table(Box<ChurnTable>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChurnTable {
    kind: Text,
    up: Option<Text>,
    down: Option<Text>,
    up_shape: Option<Spanned<f64>>,
    down_shape: Option<Spanned<f64>>,
    jitter: Option<Text>,
    spread: Option<Text>,
    file: Option<Text>,
}

impl<'de> Deserialize<'de> for TypedChurn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Typed;

        impl<'de> Visitor<'de> for Typed {
            type Value = TypedChurn;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name such as \"ipfs\", or a table with a `kind`")
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<TypedChurn, E> {
                Ok(TypedChurn::Named(name.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TypedChurn, A::Error> {
                let table = ChurnTable::deserialize(MapAccessDeserializer::new(map));
                table.map(|table| TypedChurn::Table(Box::new(table)))
            }
        }

        deserializer.deserialize_any(Typed)
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Exponential,
    Weibull,
    Diurnal,
    Trace,
}

/// Kinds of churn that have numbers, each with its keys.
const KINDS: [(&str, Kind, &[&str]); 4] = [
    ("exponential", Kind::Exponential, &["up", "down"]),
    (
        "weibull",
        Kind::Weibull,
        &["up", "down", "up_shape", "down_shape"],
    ),
    ("diurnal", Kind::Diurnal, &["up", "jitter", "spread"]),
    ("trace", Kind::Trace, &["file"]),
];

impl File<'_> {
    /// Reads a churn, of a class or of all.
    pub(super) fn churn(&self, typed: &Spanned<TypedChurn>) -> Result<Churn, ScenarioFault> {
        match typed.get_ref() {
            TypedChurn::Named(name) => {
                let others = KINDS.map(|(kind, _, _)| kind).join(", ");
                Churn::named(name).map_err(|fault| {
                    let message = format!("{fault}; and as tables with a `kind`, {others}");
                    self.fault(&typed.span(), message)
                })
            }
            TypedChurn::Table(table) => self.churn_of(table),
        }
    }

    fn churn_of(&self, table: &ChurnTable) -> Result<Churn, ScenarioFault> {
        let words = KINDS.map(|(name, kind, keys)| (name, (name, kind, keys)));
        let (name, kind, keys) = self.one_of(&table.kind, &words)?;
        let given = [
            ("up", table.up.as_ref().map(Spanned::span)),
            ("down", table.down.as_ref().map(Spanned::span)),
            ("up_shape", table.up_shape.as_ref().map(Spanned::span)),
            ("down_shape", table.down_shape.as_ref().map(Spanned::span)),
            ("jitter", table.jitter.as_ref().map(Spanned::span)),
            ("spread", table.spread.as_ref().map(Spanned::span)),
            ("file", table.file.as_ref().map(Spanned::span)),
        ];
        for (key, span) in given {
            if let Some(span) = span.filter(|_| !keys.contains(&key)) {
                return Err(self.fault(&span, format!("{name} churn takes no `{key}`")));
            }
        }
        let missing = |key: &str| {
            let message = format!("{name} churn needs `{key}`");
            self.fault(&table.kind.span(), message)
        };
        let time = |text: &Option<Text>, key: &str| {
            let text = text.as_ref().ok_or_else(|| missing(key))?;
            self.time(text, 1..=TIME_MAX_MS)
        };
        match kind {
            Kind::Exponential => {
                let (up, down) = (time(&table.up, "up")?, time(&table.down, "down")?);
                self.made(&table.kind, Churn::exponential(up, down))
            }
            Kind::Weibull => {
                let half = |scale: &Option<Text>, shape: &Option<Spanned<f64>>, keys: [&str; 2]| {
                    let [scale_key, shape_key] = keys;
                    let scale_ms = time(scale, scale_key)? as f64;
                    let shape = shape.as_ref().ok_or_else(|| missing(shape_key))?;
                    let made = Weibull::new(*shape.get_ref(), scale_ms);
                    made.map_err(|fault| self.fault(&shape.span(), fault.to_string()))
                };
                Ok(Churn::Weibull {
                    up: half(&table.up, &table.up_shape, ["up", "up_shape"])?,
                    down: half(&table.down, &table.down_shape, ["down", "down_shape"])?,
                })
            }
            Kind::Diurnal => {
                let or = |text: &Option<Text>, otherwise| {
                    self.time_or(text.as_ref(), 0..=DAY_MS, otherwise)
                };
                let (up, jitter) = (time(&table.up, "up")?, or(&table.jitter, HOUR_MS)?);
                let made = Diurnal::new(up, jitter, or(&table.spread, DAY_MS)?);
                self.made(&table.kind, made.map(Churn::Diurnal))
            }
            Kind::Trace => {
                let file = table.file.as_ref().ok_or_else(|| missing("file"))?;
                self.recorded(file).map(Churn::Trace)
            }
        }
    }

    fn made(&self, at: &Text, made: Result<Churn, BadChurn>) -> Result<Churn, ScenarioFault> {
        made.map_err(|fault| self.fault(&at.span(), fault.to_string()))
    }

    /// Reads a recording that lies beside the scenario.
    fn recorded(&self, file: &Text) -> Result<Trace, ScenarioFault> {
        let wrong = |message: String| self.fault(&file.span(), message);
        let name = file.get_ref();
        let Some(folder) = self.folder else {
            let message = "only a scenario that is a file of its own has others beside it";
            return Err(wrong(format!("{name:?} cannot be read: {message}")));
        };
        let path = folder.join(name);
        let text = fs::read_to_string(&path)
            .map_err(|error| wrong(format!("{} cannot be read: {error}", path.display())))?;
        text.parse()
            .map_err(|fault| wrong(format!("{}: {fault}", path.display())))
    }
}
