use serde_json::json;

use super::*;

/// A ReplicaSet in numbers: asked for, there, ready.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Numbers(i32, i32, i32);

impl Numbers {
    fn object(self) -> Set {
        let Numbers(replicas, there, ready) = self;
        let json = json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": { "name": "set", "namespace": "ns" },
            "spec": { "replicas": replicas, "selector": {} },
            "status": { "replicas": there, "readyReplicas": ready },
        });
        Arc::new(serde_json::from_value(json).unwrap())
    }
}

fn spec(replicas: i32, strategy: &str) -> DeploymentSpec {
    let json = json!({ "replicas": replicas, "strategy": { "type": strategy }, "selector": {}, "template": {} });
    serde_json::from_value(json).unwrap()
}

fn planned(spec: &DeploymentSpec, current: Option<Numbers>, old: &[Numbers]) -> (i32, Vec<i32>) {
    let old: Vec<_> = old.iter().map(|set| set.object()).collect();
    let plan = plan(spec, current.map(Numbers::object).as_ref(), &old);
    (plan.current, plan.old)
}

#[test]
fn a_first_template_gets_all_pods_at_once() {
    assert_eq!(planned(&spec(5, "RollingUpdate"), None, &[]), (5, vec![]));
    assert_eq!(planned(&spec(0, "RollingUpdate"), None, &[]), (0, vec![]));
    assert_eq!(planned(&spec(i32::MAX, "RollingUpdate"), None, &[]), (i32::MAX, vec![]));
}

#[test]
fn a_rollout_never_has_fewer_ready_pods_nor_many_more_pods_and_comes_to_an_end() {
    for want in 1..=9 {
        let spec = spec(want, "RollingUpdate");
        // The oldest of the two has a pod that does not work.
        let (mut new, mut old) = (None, [Numbers(1, 1, 0), Numbers(want, want, want)]);
        for step in 0.. {
            let (current, olds) = planned(&spec, new, &old);
            let Numbers(_, there, ready) = new.unwrap_or_default();
            if (current, there, ready) == (want, want, want) && olds == [0, 0] {
                break;
            }
            assert!(step < 100, "it comes to an end: {new:?} {old:?}");
            assert!(current + olds.iter().sum::<i32>() <= (want + (want + 3) / 4).max(want + 1), "{new:?} {old:?}");
            // The ReplicaSets follow; of the new pods one more is ready each time. Those that do not work go first.
            new = Some(Numbers(current, current, (ready + 1).min(current)));
            for (set, replicas) in old.iter_mut().zip(olds) {
                *set = Numbers(replicas, replicas, set.2.min(replicas));
            }
            let ready: i32 = old.iter().chain(&new).map(|set| set.2).sum();
            assert!(ready >= want, "{new:?} {old:?}");
        }
    }
}

#[test]
fn a_template_that_never_becomes_ready_leaves_the_old_pods_alone() {
    let spec = spec(4, "RollingUpdate");
    assert_eq!(planned(&spec, None, &[Numbers(4, 4, 4)]), (1, vec![4]));
    assert_eq!(planned(&spec, Some(Numbers(1, 1, 0)), &[Numbers(4, 4, 4)]), (1, vec![4]));
}

#[test]
fn scaling_down_in_the_middle_of_a_rollout_takes_old_pods_first() {
    assert_eq!(planned(&spec(2, "RollingUpdate"), Some(Numbers(1, 1, 0)), &[Numbers(4, 4, 4)]), (1, vec![2]));
    assert_eq!(planned(&spec(2, "RollingUpdate"), Some(Numbers(4, 4, 4)), &[]), (2, vec![]));
}

#[test]
fn with_recreate_the_old_pods_go_first() {
    let spec = spec(3, "Recreate");
    assert_eq!(planned(&spec, None, &[Numbers(3, 3, 3)]), (0, vec![0]));
    assert_eq!(planned(&spec, Some(Numbers(0, 0, 0)), &[Numbers(0, 2, 2)]), (0, vec![0]));
    assert_eq!(planned(&spec, Some(Numbers(0, 0, 0)), &[Numbers(0, 0, 0)]), (3, vec![0]));
}

#[test]
fn another_template_has_another_hash_and_the_same_one_has_the_same() {
    let template = |image: &str| -> PodTemplateSpec {
        serde_json::from_value(json!({ "spec": { "containers": [{ "name": "a", "image": image }] } })).unwrap()
    };
    assert_eq!(hash(&template("a")), hash(&template("a")));
    assert_ne!(hash(&template("a")), hash(&template("b")));
    assert!(hash(&template("a")).bytes().all(|byte| b"bcdfghjklmnpqrstvwxz2456789".contains(&byte)));
}
