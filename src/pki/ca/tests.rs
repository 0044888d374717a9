use serde_json::json;
use testkit::api_server;
use tokio::{task::JoinSet, time::advance};

use super::*;

#[tokio::test(start_paused = true)]
async fn waiting_workers_share_the_response_of_one_request() {
    let (client, mut server) = api_server();
    let ca = Arc::new(CaSecret::new(client, Key::new("controlplane", "ca"), false));
    let get = |ca: &Arc<CaSecret>| {
        let ca = ca.clone();
        async move { ca.get().await.map(|_| ()) }
    };
    let mut workers: JoinSet<_> = (0..10).map(|_| get(&ca)).collect();
    let call = server.next().await;
    advance(Duration::from_secs(29)).await;
    call.status(500, "InternalError", "etcd");
    while let Some(result) = workers.join_next().await {
        assert!(matches!(result.unwrap(), Err(CaError::Failed(failure)) if failure.code() == Some(500)));
    }
    // A later worker sends its own request.
    advance(Duration::from_millis(5)).await;
    let later = tokio::spawn(get(&ca));
    let authority = Authority::create(Timestamp::now(), rand::random()).unwrap();
    server.next().await.json(200, &json!({ "metadata": { "name": "ca" }, "data": authority.secret_data() }));
    later.await.unwrap().unwrap();
    get(&ca).await.unwrap();
    assert!(server.next_within(Duration::from_secs(1)).await.is_none(), "the CA is kept for a minute");
}
