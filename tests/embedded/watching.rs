//! What a plugin is told while everything goes wrong, on the way and in the plugin itself.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use demo_controller::{
    informer::{Health, ListWatch, Metrics, Object, Reflector, Store},
    watch::{Config, Deliver, Dynamic, Event, EventType, Level, Plugin, Resource},
    worker::{self, Error, Policy},
    workqueue::{self, WorkQueue},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{fleet, storm, world::World};

/// Believes what it is told, by `namespace/name`: the UID and the version. Is slow, and fails in three calls of ten.
/// What it does not believe it fails at for ever (the worker takes a panic for a failed attempt).
struct Believer {
    believed: Mutex<BTreeMap<String, (String, String)>>,
    random: Mutex<StdRng>,
    /// Calls at this moment, and the most there were.
    calls: Mutex<(usize, usize)>,
}

impl Plugin for Believer {
    async fn handle_event(&self, event: &Event, _: &Config) -> Result<(String, Level), Error> {
        // So that changes come in while it is busy.
        let time = self.random.lock().unwrap().random_range(0..3000);
        {
            let (now, most) = &mut *self.calls.lock().unwrap();
            (*now, *most) = (*now + 1, (*most).max(*now + 1));
        }
        tokio::time::sleep(Duration::from_millis(time)).await;
        self.calls.lock().unwrap().0 -= 1;
        if self.random.lock().unwrap().random_bool(0.3) {
            return Err(Error::Transient("not today".to_owned()));
        }
        let object = &event.object;
        let (key, now) = (object.key().to_string(), (object.uid().to_owned(), object.resource_version().to_owned()));
        let mut believed = self.believed.lock().unwrap();
        let before = believed.get(&key);
        match event.r#type {
            EventType::Added => assert_eq!(before, None, "{key}: ADDED, but it was never DELETED"),
            EventType::Modified => {
                let (uid, version) = before.unwrap_or_else(|| panic!("{key}: MODIFIED, but it was never ADDED"));
                assert_eq!(*uid, now.0, "{key}: another object, but it was never DELETED");
                assert_ne!(*version, now.1, "{key}: nothing new");
            }
            EventType::Deleted => {
                let uid = before.map(|(uid, _)| uid);
                assert!(uid.is_none_or(|uid| *uid == now.0), "{key}: DELETED, but it is about another object");
            }
        }
        match event.r#type {
            EventType::Deleted => believed.remove(&key),
            _ => believed.insert(key, now),
        };
        Ok((String::new(), Level::Trace))
    }
}

/// Ten minutes of pods that come, change and go. Then the plugin has to believe what is true.
async fn a_plugin_in_a_storm(seed: u64) {
    let world = World::new(seed).await;
    storm::weather(&world);
    let store = Arc::new(Store::new(|_: &Dynamic| &[]));
    let health = Arc::new(Health::default());
    let queue = WorkQueue::new("watch", &workqueue::Metrics::default());
    let random = Mutex::new(StdRng::seed_from_u64(seed));
    let plugin = Arc::new(Believer { believed: Mutex::default(), random, calls: Mutex::default() });
    let resource = Resource {
        api_version: "v1".to_owned(),
        kind: "Pod".to_owned(),
        name: "pods".to_owned(),
        path: fleet::PODS.to_owned(),
        namespaced: true,
    };
    let job = Arc::new(Deliver::new(store.clone(), Arc::new(resource), plugin.clone(), Config::new()));
    let stop = CancellationToken::new();
    let reflector = Reflector {
        resource: "pods",
        list_watch: ListWatch::new(world.client().await, fleet::PODS),
        store,
        health: health.clone(),
        watch_idle: Duration::from_secs(150),
        metrics: Metrics::default(),
    };
    tokio::spawn(reflector.run(stop.clone(), {
        let (job, queue) = (job.clone(), queue.clone());
        move |change| {
            job.notice(&change);
            queue.add(change.key().clone());
        }
    }));
    // Nothing is given up: what is given up may stay untold.
    let policy = Policy { max_retries: 1000 };
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (queue, job, stop, health) = (queue.clone(), job.clone(), stop.clone(), health.clone());
        workers.spawn(async move {
            health.synced().await;
            worker::run(queue, job, policy, worker::Metrics::default(), stop).await;
        });
    }

    fleet::create(&world).await;
    let mut random = StdRng::seed_from_u64(seed);
    for number in 0..300 {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let pod = fleet::pod(random.random_range(0..fleet::POD_COUNT));
        match random.random_range(0..3) {
            0 => {
                world.delete(&pod).await;
                world.create(&pod).await;
            }
            _ => drop(world.patch(&pod, json!({ "metadata": { "labels": { "n": number.to_string() } } })).await),
        }
    }
    for n in (0..fleet::POD_COUNT).step_by(3) {
        world.delete(&fleet::pod(n)).await;
    }
    world.server.clear_faults();
    world
        .until(async || {
            let truth = world.all(fleet::PODS).await;
            let meta = |pod: &serde_json::Value, field: &str| pod["metadata"][field].as_str().unwrap_or("").to_owned();
            let truth = truth.iter().map(|(key, pod)| (key.clone(), (meta(pod, "uid"), meta(pod, "resourceVersion"))));
            let (truth, believed) = (truth.collect::<BTreeMap<_, _>>(), plugin.believed.lock().unwrap().clone());
            fleet::ensure(truth == believed, || format!("{truth:?}\nbut it believes\n{believed:?}"))
        })
        .await;
    stop.cancel();
    workers.join_all().await;
    assert_eq!(plugin.calls.lock().unwrap().1, 4, "objects are worked on in parallel, by as many as there are workers");
}

macro_rules! storms {
    ($($name:ident: $seed:literal),*) => {
        $(#[tokio::test(start_paused = true)]
        async fn $name() {
            a_plugin_in_a_storm($seed).await;
        })*
    };
}

storms!(storm_1: 1, storm_2: 2, storm_3: 3, storm_4: 4);
