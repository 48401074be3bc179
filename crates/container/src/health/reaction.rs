//! What the engine does when a container becomes unhealthy, and how often.
//!
//! Asked for by the restart policy `on-unhealthy`, or by labels, which every client can set:
//!
//! ```text
//! gantry.health.action   restart | stop | kill | event
//! gantry.health.budget   COUNT/DURATION, e.g. 3/10m: at most so many restarts in any such time
//! ```
//! Without either nothing is done, as with Docker. Restarts wait as a restart policy's do, and
//! the wait grows unless the container was healthy in between, so that what never gets well does
//! not flap; when the budget is used up it is left as it is.

use std::{sync::Arc, time::Duration};

use super::Status;
use crate::{
    ContainerError, Containers,
    clock::now_nanos,
    container::Container,
    record::Record,
    restart::Policy,
    state::{Phase, State},
    stop::StopOptions,
};

/// What to do.
pub const ACTION_LABEL: &str = "gantry.health.action";
/// How often.
pub const BUDGET_LABEL: &str = "gantry.health.budget";

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Ended as by `stop`, and started again.
    Restart,
    /// Ended as by `stop`.
    Stop,
    /// Ended at once.
    Kill,
    /// Nothing but an event.
    Event,
}

impl Action {
    fn as_str(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Stop => "stop",
            Self::Kill => "kill",
            Self::Event => "event",
        }
    }
}

/// At most `count` restarts in any `window`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// How many.
    pub count: usize,
    /// In which time.
    pub window: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Self { count: 5, window: Duration::from_secs(600) }
    }
}

/// A container's reaction to becoming unhealthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reaction {
    /// What is done.
    pub action: Action,
    /// How often it is restarted.
    pub budget: Budget,
}

impl Reaction {
    /// The reaction that was asked for.
    ///
    /// # Errors
    /// [`ContainerError::Invalid`] names the label.
    pub fn parse(record: &Record) -> Result<Option<Self>, ContainerError> {
        let host = &record.host_config;
        let label = |name: &str| record.config.labels.get(name).map(String::as_str);
        let action = match label(ACTION_LABEL) {
            Some("restart") => Some(Action::Restart),
            Some("stop") => Some(Action::Stop),
            Some("kill") => Some(Action::Kill),
            Some("event") => Some(Action::Event),
            Some(other) => return Err(invalid(ACTION_LABEL, other)),
            None => match Policy::parse(&host.restart_policy, host.auto_remove)? {
                Policy::OnUnhealthy { .. } => Some(Action::Restart),
                _ => None,
            },
        };
        let budget = label(BUDGET_LABEL)
            .map(|text| Budget::parse(text).ok_or_else(|| invalid(BUDGET_LABEL, text)))
            .transpose()?
            .unwrap_or_default();
        if host.auto_remove && action == Some(Action::Restart) {
            return Err(ContainerError::Invalid(
                "a container that is removed when it ends cannot be restarted for its health"
                    .into(),
            ));
        }
        Ok(action.map(|action| Self { action, budget }))
    }
}

impl Budget {
    fn parse(text: &str) -> Option<Self> {
        let (count, window) = text.split_once('/')?;
        let split = window.find(|c: char| !c.is_ascii_digit())?;
        let unit = match &window[split..] {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return None,
        };
        let seconds = window[..split].parse::<u32>().ok()?.checked_mul(unit)?;
        let count = count.parse().ok().filter(|count| (1..=1000).contains(count))?;
        (seconds > 0).then_some(Self { count, window: Duration::from_secs(seconds.into()) })
    }

    /// Forgets restarts that are too old to count; whether another one is within the budget.
    fn has_room(self, restarts: &mut Vec<i64>, now_nanos: i64) -> bool {
        let window = i64::try_from(self.window.as_nanos()).unwrap_or(i64::MAX);
        restarts.retain(|at| now_nanos.saturating_sub(*at) < window);
        restarts.len() < self.count
    }
}

fn invalid(label: &str, value: &str) -> ContainerError {
    ContainerError::Invalid(format!("invalid value for label {label}: {value}"))
}

impl State {
    /// Whether its checks have succeeded since init was started.
    pub(crate) fn was_healthy(&self) -> bool {
        self.health.as_ref().is_some_and(|health| health.was_healthy)
    }

    fn is_unhealthy_run(&self, started_at_nanos: Option<i64>) -> bool {
        self.phase == Phase::Running
            && self.started_at_nanos == started_at_nanos
            && self.health.as_ref().is_some_and(|health| health.status == Status::Unhealthy)
    }
}

impl Containers {
    /// Does what the container asks for when it is unhealthy. Called after every failed probe of
    /// an unhealthy container.
    pub(super) fn react(&self, container: &Arc<Container>) {
        // What cannot be read was refused at creation.
        let Ok(Some(reaction)) = Reaction::parse(&container.record()) else { return };
        let state = container.state();
        let check = self.check(container);
        let streak = state.health.as_ref().map_or(0, |health| health.failing_streak);
        let is_first = check.is_some_and(|check| check.retries == streak);
        if reaction.action == Action::Event {
            if is_first {
                self.announce_action(container, Action::Event.as_str());
            }
            return;
        }
        let may_act = match reaction.action {
            Action::Restart => {
                let has_room =
                    reaction.budget.has_room(&mut state.health_restarts.clone(), now_nanos());
                has_room && self.policy(container).has_retries(&state)
            }
            _ => true,
        };
        if !may_act {
            if is_first {
                tracing::warn!(container.id = %container.id, "unhealthy, and restarted too often: left as it is");
                self.announce_action(container, "exhausted");
            }
            return;
        }
        let (service, container) = (self.clone(), Arc::clone(container));
        // Not in the monitor's task, which ends with init. Ends when the action is done.
        tokio::spawn(async move {
            if let Err(error) = service.act(&container, reaction, state.started_at_nanos).await {
                tracing::error!(container.id = %container.id, error = %types::error::chain(&error), "cannot act on an unhealthy container");
            }
        });
    }

    async fn act(
        &self,
        container: &Arc<Container>,
        reaction: Reaction,
        started_at_nanos: Option<i64>,
    ) -> Result<(), ContainerError> {
        let _operation = container.lock().await;
        // It may have got well, ended or been restarted while others held the lock.
        if !container.state().is_unhealthy_run(started_at_nanos) {
            return Ok(());
        }
        self.announce_action(container, reaction.action.as_str());
        match reaction.action {
            Action::Event => Ok(()),
            Action::Stop => self.stop_locked(container, StopOptions::default()).await,
            Action::Kill => {
                self.note_stop(container)?;
                self.kill_init(container).await
            }
            Action::Restart => {
                self.change_state(container, |state| {
                    let now = now_nanos();
                    // Bounded by the budget, which was asked before.
                    reaction.budget.has_room(&mut state.health_restarts, now);
                    state.health_restarts.push(now);
                    Ok(())
                })?;
                container.live().planned_restart = Some(reason(&container.state()));
                self.end_init(container, StopOptions::default()).await
            }
        }
    }

    fn announce_action(&self, container: &Container, action: &str) {
        let extra = [("reason".to_owned(), reason(&container.state()))].into();
        self.publish(container, format!("health_action: {action}"), extra);
    }
}

/// `unhealthy: ` and what the last probe said.
fn reason(state: &State) -> String {
    let last = state.health.as_ref().and_then(|health| health.log.back());
    let said = last.map_or("", |result| result.output.trim());
    let line: String = said.lines().next().unwrap_or_default().chars().take(200).collect();
    if line.is_empty() { "unhealthy".to_owned() } else { format!("unhealthy: {line}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(labels: &[(&str, &str)], policy: &str) -> Result<Option<Reaction>, ContainerError> {
        let mut record = crate::record::tests::record("c1");
        record.host_config.restart_policy.name = policy.to_owned();
        for (name, value) in labels {
            record.config.labels.insert((*name).to_owned(), (*value).to_owned());
        }
        Reaction::parse(&record)
    }

    #[test]
    fn labels_and_the_policy_ask_for_a_reaction() {
        assert_eq!(parse(&[], "always").unwrap(), None);
        let restart = Reaction { action: Action::Restart, budget: Budget::default() };
        assert_eq!(parse(&[], "on-unhealthy").unwrap(), Some(restart));
        let stop = parse(&[(ACTION_LABEL, "stop"), (BUDGET_LABEL, "2/1h")], "always").unwrap();
        let budget = Budget { count: 2, window: Duration::from_secs(3600) };
        assert_eq!(stop, Some(Reaction { action: Action::Stop, budget }));
        for (label, bad) in [
            (ACTION_LABEL, "x"),
            (BUDGET_LABEL, "5"),
            (BUDGET_LABEL, "0/1m"),
            (BUDGET_LABEL, "1/0s"),
            (BUDGET_LABEL, "1/m"),
        ] {
            let error = parse(&[(ACTION_LABEL, "kill"), (label, bad)], "no").unwrap_err();
            assert!(error.to_string().contains(label), "{error}");
        }
    }

    #[test]
    fn a_budget_has_room_again_when_time_has_passed() {
        let budget = Budget { count: 2, window: Duration::from_nanos(100) };
        let mut restarts = vec![0, 50];
        assert!(!budget.has_room(&mut restarts, 99));
        assert!(budget.has_room(&mut restarts, 100));
        assert_eq!(restarts, [50]);
    }
}
