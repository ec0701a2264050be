//! What ranks do together, as far as it matters to whoever reads that one of them is gone: what it is called, and what remains.

/// What ranks do together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Work {
    /// They meet; nothing is begun.
    Meeting,
    /// A training, whose run directory `--resume` goes on with.
    #[default]
    Training,
    /// A demo, which goes on when it is started again.
    Demo,
    /// Judging a frozen encoder.
    Evaluation,
    /// Representations of files, which are written whole or not at all.
    Embedding,
    /// Of speed, or of whether they reach each other.
    Measurement,
}

impl Work {
    /// What completes "another process of this".
    pub(super) fn name(self) -> &'static str {
        match self {
            Work::Meeting => "job",
            Work::Training => "training",
            Work::Demo => "demo",
            Work::Evaluation => "evaluation",
            Work::Embedding => "embedding",
            Work::Measurement => "measurement",
        }
    }

    /// What is left of it, and what to do.
    pub(super) fn remedy(self) -> &'static str {
        match self {
            Work::Meeting => "nothing was begun, start all processes again",
            Work::Training => "what was saved is kept, start again with --resume",
            Work::Demo => "what was saved is kept, and the demo goes on when it is started again",
            Work::Embedding => "no file was written, start all processes again",
            Work::Evaluation | Work::Measurement => "start all processes again",
        }
    }
}
