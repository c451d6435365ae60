//! Scenes for wrong designs that chance meets too seldom.
