//! Exercise 3, solution.

mod tests;

use std::collections::{BTreeSet, HashMap};

#[derive(Default)]
pub struct Pods {
    /// The Secrets of each pod.
    pub secrets: HashMap<String, Vec<String>>,
    /// The pods of each Secret.
    pub index: HashMap<String, BTreeSet<String>>,
}

impl Pods {
    /// Adds or updates a pod.
    pub fn put(&mut self, pod: &str, secrets: &[&str]) {
        self.remove(pod);
        for secret in secrets {
            self.index.entry((*secret).to_owned()).or_default().insert(pod.to_owned());
        }
        self.secrets.insert(pod.to_owned(), secrets.iter().map(|secret| (*secret).to_owned()).collect());
    }

    pub fn remove(&mut self, pod: &str) {
        // The old object knows its entries.
        for secret in self.secrets.remove(pod).unwrap_or_default() {
            let Some(pods) = self.index.get_mut(&secret) else { continue };
            pods.remove(pod);
            if pods.is_empty() {
                self.index.remove(&secret);
            }
        }
    }

    /// The pods that mount this Secret. One look-up.
    pub fn mounting(&self, secret: &str) -> BTreeSet<String> {
        self.index.get(secret).cloned().unwrap_or_default()
    }
}
