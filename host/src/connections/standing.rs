//! How a source of events stands, for `/readyz` and the org.

/// One topic of one org, or the looks into one company.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Events come.
    Up,
    /// It is being subscribed to, or was not looked at yet.
    Down,
    /// Another host has it.
    Elsewhere,
    /// The org delivers no more events for now, to anybody.
    UsedUp,
}

impl Standing {
    /// True while events come.
    pub fn is_up(self) -> bool {
        self == Self::Up
    }

    /// True where nothing is wrong, here.
    pub fn is_well(self) -> bool {
        matches!(self, Self::Up | Self::Elsewhere)
    }

    /// What is wrong, in words; none when nothing is.
    pub fn trouble(self) -> Option<&'static str> {
        match self {
            Self::Up | Self::Elsewhere => None,
            Self::Down => Some("not subscribed"),
            Self::UsedUp => Some(
                "the org's event deliveries of the last 24 hours are used up; changes are found by query until there are some again",
            ),
        }
    }
}
