//! The other words of the same message. They are answered together, so that none may wait for long
//! once another has what it came for. Knows nothing of what any of them says.

use std::sync::Arc;

use tokio::sync::SetOnce;

/// What one word knows of those that came with it.
#[derive(Clone, Debug, Default)]
pub struct Company(Option<Arc<SetOnce<()>>>);

impl Company {
    /// Of a word that came alone.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    pub(crate) fn of_several() -> Self {
        Self(Some(Arc::default()))
    }

    /// One of them has what it came for: from now on its answer is waited for.
    pub(crate) fn is_served(&self) {
        if let Some(served) = &self.0 {
            // Not the first of them: they know already.
            let _known = served.set(());
        }
    }

    /// Resolves once one of them has what it came for; for a word that came alone, never.
    pub async fn hastens(&self) {
        match &self.0 {
            Some(served) => drop(served.wait().await),
            None => std::future::pending().await,
        }
    }
}
