//! `/events`: which events a client gets, and as what.

use std::{sync::Arc, time::Duration};

use ::container::{Event, Events, clock};
use engine_api::event::{EventActor, EventMessage};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use types::Reference;

use super::container::nanos;
use crate::{Filters, backend::system::EventQuery};

/// Actions that say more after a colon; filters with their first word match all of them.
const SPEAKING: [&str; 4] = ["exec_create", "exec_start", "health_status", "health_action"];

/// What has happened, if the query asks for it, and what happens, until it asks for no more.
pub(super) fn stream(events: &Events, query: EventQuery) -> BoxStream<'static, EventMessage> {
    let (since, until) = (query.since.map(nanos), query.until.map(nanos));
    let mut subscription = events.subscribe(since.or(until.map(|_| 0)));
    let now = clock::now_nanos();
    if until.is_some_and(|until| until <= now) {
        subscription = subscription.until_now();
    }
    let all = stream::unfold(subscription, |mut subscription| async move {
        let event = subscription.next().await?;
        Some((event, subscription))
    });
    let is_wanted = move |event: &Arc<Event>| {
        std::future::ready(until.is_none_or(|until| event.time_nanos <= until))
    };
    let filters = query.filters;
    let messages = all.take_while(is_wanted).filter_map(move |event| {
        std::future::ready(admits(&event, &filters).then(|| message(&event)))
    });
    match until.filter(|until| *until > now) {
        Some(until) => {
            let left = Duration::from_nanos((until - now).unsigned_abs());
            messages.take_until(tokio::time::sleep(left)).boxed()
        }
        None => messages.boxed(),
    }
}

/// The event as clients see it; the edge adds the keys from before actors existed.
fn message(event: &Event) -> EventMessage {
    EventMessage {
        kind: event.kind.clone().into_owned(),
        action: event.action.clone(),
        actor: EventActor { id: event.actor.clone(), attributes: event.attributes.clone() },
        scope: "local".to_owned(),
        time: event.time_nanos.div_euclid(1_000_000_000),
        time_nano: event.time_nanos,
        ..EventMessage::default()
    }
}

/// Whether all filters let an event pass; the values of one are alternatives.
fn admits(event: &Event, filters: &Filters) -> bool {
    let name = event.attributes.get("name").map_or("", String::as_str);
    // Docker looks at id and name whatever the event's type is.
    let is_of = |kind: &str| {
        let wanted = filters.get(kind);
        let begins = |text: &str| wanted.iter().any(|wanted| text.starts_with(wanted.as_str()));
        wanted.is_empty() || begins(&event.actor) || begins(name)
    };
    admits_action(&event.action, filters.get("event"))
        && filters.admits("type", &event.kind)
        && filters.admits("scope", "local")
        && ["daemon", "container", "plugin", "volume", "network"].into_iter().all(is_of)
        && ["node", "service", "secret", "config"].into_iter().all(is_of)
        && admits_image(event, filters.get("image"))
        && filters.admits_labels("label", &event.attributes)
}

fn admits_action(action: &str, wanted: &[String]) -> bool {
    let is_fuzzy = wanted.iter().any(|wanted| SPEAKING.contains(&wanted.as_str()));
    wanted.is_empty()
        || wanted
            .iter()
            .any(|wanted| action == wanted || (is_fuzzy && action.starts_with(wanted.as_str())))
}

/// An image's own events, and those of containers that were made from it; with and without a tag.
fn admits_image(event: &Event, wanted: &[String]) -> bool {
    let attribute = if event.kind == "image" { "name" } else { "image" };
    let name = event.attributes.get(attribute).map_or("", String::as_str);
    let is = |text: &str| wanted.iter().any(|wanted| wanted == text);
    wanted.is_empty()
        || is(&event.actor)
        || is(name)
        || is(&without_tag(&event.actor))
        || is(&without_tag(name))
}

fn without_tag(image: &str) -> String {
    let parsed = image.parse::<Reference>();
    parsed.map_or_else(|_| image.to_owned(), |reference| reference.familiar_name())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &'static str, action: &str, attributes: &[(&str, &str)]) -> Event {
        let attributes = attributes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Event {
            number: 1,
            time_nanos: 1_500_000_000,
            kind: kind.into(),
            action: action.to_owned(),
            actor: "abcdef".to_owned(),
            attributes: attributes.collect(),
        }
    }

    fn is_admitted(event: &Event, filters: &str) -> bool {
        admits(event, &Filters::parse(filters).unwrap())
    }

    #[test]
    fn actions_match_whole_unless_a_speaking_one_is_asked_for() {
        let check = event("container", "exec_start: sh -c x", &[]);
        assert!(is_admitted(&check, r#"{"event":["exec_start"]}"#));
        assert!(is_admitted(&check, r#"{"event":["start","exec_start"]}"#));
        assert!(!is_admitted(&check, r#"{"event":["exec"]}"#));
        assert!(!is_admitted(&check, r#"{"event":["exec_die"]}"#));
        let healthy = event("container", "health_status: healthy", &[]);
        assert!(is_admitted(&healthy, r#"{"event":["health_status: healthy"]}"#));
        assert!(!is_admitted(&healthy, r#"{"event":["health_status: unhealthy"]}"#));
    }

    #[test]
    fn objects_match_by_the_beginning_of_id_or_name_and_images_without_tag() {
        let start = event("container", "start", &[("name", "web"), ("image", "busybox:1")]);
        for yes in [
            r#"{"container":["abc"]}"#,
            r#"{"container":["we"]}"#,
            r#"{"image":["busybox"]}"#,
            r#"{"image":["busybox:1"]}"#,
            r#"{"type":["container","image"]}"#,
            r#"{"label":["name=web"]}"#,
        ] {
            assert!(is_admitted(&start, yes), "{yes}");
        }
        for no in [
            r#"{"container":["eb"]}"#,
            r#"{"image":["busy"]}"#,
            r#"{"type":["image"]}"#,
            r#"{"scope":["swarm"]}"#,
            r#"{"label":["name=x"]}"#,
            r#"{"container":["web"],"network":["bridge"]}"#,
        ] {
            assert!(!is_admitted(&start, no), "{no}");
        }
    }

    #[test]
    fn seconds_and_nanoseconds() {
        let message = message(&event("image", "pull", &[]));
        assert_eq!((message.time, message.time_nano), (1, 1_500_000_000));
        assert_eq!(message.actor.id, "abcdef");
    }
}
