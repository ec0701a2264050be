//! Choosing penalties, small budgets and bad input. Values against scikit-learn are in the integration tests.

use super::*;
