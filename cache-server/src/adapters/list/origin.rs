//! Where a list is had from again and again.

use std::time::Duration;

use async_trait::async_trait;

/// Something that has a list.
#[async_trait]
pub(super) trait Origin: Send + 'static {
    /// What people know it by; holds no secrets.
    fn name(&self) -> &str;

    /// The list's text, or why it cannot be had. Takes a bounded time.
    async fn fetch(&mut self) -> Result<Fetched, String>;

    /// What was last fetched was taken up, and may serve to tell what is new.
    fn taken_up(&mut self) {}

    /// Waits until it is worth fetching again, at most so long.
    async fn pause(&mut self, at_most: Duration) {
        tokio::time::sleep(at_most).await;
    }
}

/// What an origin had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fetched {
    /// The same as was last taken up.
    Unchanged,
    /// A text.
    Text(String),
}
