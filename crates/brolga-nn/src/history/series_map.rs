//! The series of a history in JSON, as Keras's `history.history` has them: `{"loss": [0.5, 0.25],
//! "val_loss": [0.75, 0.5]}`.
//!
//! Values that are not finite are `null`, which is read as NaN.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserializer, Serializer};

use super::Series;

pub(super) fn serialize<S: Serializer>(
    series: &[Series],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(series.iter().map(|Series { name, values }| (name, values)))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Series>, D::Error> {
    deserializer.deserialize_map(InOrder)
}

/// Keeps the order of the entries.
struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Vec<Series>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("lists of numbers by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<Series>, A::Error> {
        let mut all = vec![];
        while let Some((name, values)) = map.next_entry::<String, Vec<Option<f64>>>()? {
            let values = values.into_iter().map(|value| value.unwrap_or(f64::NAN)).collect();
            all.push(Series { name, values });
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{History, Logs};

    #[test]
    fn json_has_the_form_of_keras() {
        let mut history = History::default();
        for (epoch, loss) in [(0, 0.5), (1, f64::NAN)] {
            let mut logs = Logs::new();
            logs.set("loss", loss);
            logs.set("accuracy", 0.75);
            history.push(epoch, &logs);
        }
        let json = serde_json::to_string(&history).expect("names and numbers");
        insta::assert_snapshot!(json, @r#"{"epoch":[0,1],"history":{"loss":[0.5,null],"accuracy":[0.75,0.75]}}"#);
        let read: History = serde_json::from_str(&json).expect("what was written");
        assert_eq!(read.history[0].name, "loss");
        assert!(read.history[0].values[1].is_nan());
        assert!(serde_json::from_str::<History>(r#"{"epoch":[],"history":[]}"#).is_err());
    }
}
