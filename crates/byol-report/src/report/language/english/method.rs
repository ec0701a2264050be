//! What a method of pre-training is called, and what it does with views: all that is said of one by its name.

use crate::run::record::Method;

/// As its authors call it.
pub fn method_name(method: Method) -> &'static str {
    match method {
        Method::Byol => "BYOL",
        Method::MocoV3 => "MoCo v3",
    }
}

/// The same with where it is described.
pub fn method_with_source(method: Method) -> String {
    let source = match method {
        Method::Byol => "arXiv 2006.07733",
        Method::MocoV3 => "arXiv 2104.02057",
    };
    format!("{} ({source})", method_name(method))
}

/// What it is, among the words that not every reader knows.
pub fn method_meaning(method: Method) -> &'static str {
    match method {
        Method::Byol => {
            "A way of pre-training: from one view of an image, a network learns to predict what a copy of itself that follows it slowly (the \
             target network) makes of another view."
        }
        Method::MocoV3 => {
            "A way of pre-training: from one view of an image, a network learns to tell which of many images another view is of, by what a \
             copy of itself that follows it slowly (the target network) makes of that view."
        }
    }
}

/// Above views of the page.
pub fn views(method: Method) -> String {
    let name = method_name(method);
    match method {
        Method::Byol => format!(
            "What {name} sees of an image: two views, one drawn with t and one with t\u{2032}. It learns to predict the representation of \
             one from the other."
        ),
        Method::MocoV3 => format!(
            "What {name} sees of an image: two views, one drawn with t and one with t\u{2032}. It learns to tell the other view of the \
             same image from views of other images."
        ),
    }
}

/// Above views that were asked for.
pub fn views_are(method: Method) -> String {
    let name = method_name(method);
    match method {
        Method::Byol => format!(
            "{name} learns to say of two views of an image, one drawn with t and one with t', that they show the same."
        ),
        Method::MocoV3 => format!(
            "From one view of an image, drawn with t, {name} learns to tell the other one, drawn with t', from views of other images."
        ),
    }
}
