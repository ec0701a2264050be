//! Words that not every reader knows.

/// Above them.
pub const HEADING: &str = "Words used on this page";

/// Words that not every reader knows, and what they mean here.
pub const GLOSSARY: [(&str, &str); 18] = [
    (
        "Encoder",
        "The part of a network that turns an image into numbers (its representation). A classifier reads these.",
    ),
    (
        "Pre-training",
        "The encoder learns from images without their labels: what two differently cropped and coloured views of one image have in common.",
    ),
    ("Baseline", "Encoder and classifier trained on the labelled images alone, without pre-training."),
    ("Fine-tuned", "Encoder and classifier trained further with the labels, from the pre-trained encoder."),
    ("Linear", "A linear classifier (logistic regression) on the encoder as it is: the encoder is not changed."),
    (
        "k-NN",
        "Each image gets the class of the labelled images nearest to it; the encoder is not changed, nothing is trained.",
    ),
    ("Random encoder", "An encoder that was never trained: what pre-training must beat."),
    ("Given weights", "What training began with where --weights gave some, such as those of ImageNet."),
    (
        "Label draw",
        "The labelled images of a budget are drawn at random, several times; ± tells how much results differ between draws.",
    ),
    ("Point", "A percentage point: one hundredth of all test images. From 45% to 52% is 7 points."),
    (
        "95% interval",
        "Where the true value lies, as far as this many test images and draws tell (for single accuracies after Wilson; for differences after \
     Tango, and over several draws by the bootstrap: drawing test images and draws again and again from those there are). A difference whose interval holds 0 may be chance.",
    ),
    (
        "McNemar test, p",
        "How often chance alone would split the images that only one of two classifiers got right at least as unevenly. A value below \
     0.05 is commonly taken to be more than chance.",
    ),
    ("Calibration", "Whether a classifier that says 80% is right four times in five."),
    ("Image pass", "One image seen once in training."),
    (
        "Views, t and t\u{2032}",
        "Randomly cropped, coloured and blurred copies of an image; t and t\u{2032} are the two ways of making them.",
    ),
    ("Tau", "How slowly the target network, which gives the answers, follows the network that learns."),
    (
        "Collapse",
        "A failed pre-training: all images get the same numbers. Effective rank (how many directions the numbers use), alignment (how close two views \
     of an image are), uniformity and projection deviation (how evenly different images spread) are watched for it.",
    ),
    ("Cosine similarity", "How alike two representations are: 1 means the same direction, 0 nothing in common."),
];
