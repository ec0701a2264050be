//! What is to be expected of a planned pre-training, before it begins.

use serde::Serialize;

use super::{Kind, Plan};

/// A planned pre-training, for whoever wants to know what it can bring.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Expected {
    /// Image passes that it is to make: epochs times images.
    pub passes: u64,
    /// Seconds of these as planned, monitoring included.
    pub seconds: f64,
    /// What so many passes promise.
    pub prospect: Prospect,
}

/// What a number of image passes promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Prospect {
    /// Gains were seen of such a pre-training from `from` passes on, which it makes.
    Gains {
        /// Image passes.
        from: u64,
    },
    /// Gains were seen from `from` passes on, which are more than it makes.
    TooFew {
        /// Image passes.
        from: u64,
    },
    /// Nothing is known: it goes on with weights that have been trained before.
    Open,
}

/// What a pre-training begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begins {
    /// Random weights.
    Anew,
    /// Weights that have been trained: given ones, or those of the same pre-training before it was made longer.
    Trained,
}

impl Expected {
    /// Of the pre-training in `plan`, where gains were seen from `gains_from` passes on for those that begin anew; none where no passes
    /// are planned.
    pub fn of(plan: &Plan, begins: Begins, gains_from: u64) -> Option<Expected> {
        let total = plan.total(Kind::Pretrain);
        let prospect = match begins {
            Begins::Trained => Prospect::Open,
            Begins::Anew if total.images < gains_from => Prospect::TooFew { from: gains_from },
            Begins::Anew => Prospect::Gains { from: gains_from },
        };
        (total.images > 0).then_some(Expected { passes: total.images, seconds: total.seconds, prospect })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Rates, Step, Task};
    use super::*;

    #[test]
    fn a_prospect_follows_from_the_passes_and_from_what_it_begins_with() {
        let rates = Rates { pretrain: 1.0, step_seconds: 1.0, image_seconds: 1.0, evaluate: 1.0, linear_seconds: 0.0 };
        let step =
            |kind, images| Step { task: Task::only(kind), images, planned_seconds: 60.0, seconds: 0.0, ended: false };
        let of = |images, begins| {
            let steps = vec![step(Kind::Baseline, 700), step(Kind::Pretrain, images)];
            Expected::of(&Plan { hours: None, chosen: Vec::new(), rates, steps, others: None }, begins, 500)
        };
        let expected = |passes, prospect| Some(Expected { passes, seconds: 60.0, prospect });
        assert_eq!(of(499, Begins::Anew), expected(499, Prospect::TooFew { from: 500 }));
        assert_eq!(of(500, Begins::Anew), expected(500, Prospect::Gains { from: 500 }));
        assert_eq!(of(9, Begins::Trained), expected(9, Prospect::Open));
        assert_eq!(of(0, Begins::Anew), None);
    }
}
