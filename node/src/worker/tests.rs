use super::{Worker, WorkerEnded};

#[tokio::test]
async fn closures_run_one_after_the_other_in_the_order_they_came() {
    let worker = Worker::thread("test").unwrap();
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let runs = (0..50).map(|number| {
        let seen = std::sync::Arc::clone(&seen);
        worker.run(move || seen.lock().unwrap().push(number))
    });
    for run in futures::future::join_all(runs).await {
        run.unwrap();
    }
    assert_eq!(*seen.lock().unwrap(), (0..50).collect::<Vec<i32>>());
}

#[tokio::test]
async fn a_panic_is_its_callers_alone() {
    let worker = Worker::thread("test").unwrap();
    let panicked = worker.run(|| panic!("a test of panics")).await;
    assert_eq!(panicked, Err::<(), _>(WorkerEnded));
    assert_eq!(worker.run(|| 7).await, Ok(7));
}

#[tokio::test]
async fn an_inline_worker_runs_at_once() {
    assert_eq!(Worker::inline().run(|| 7).await, Ok(7));
}

#[tokio::test(start_paused = true)]
async fn an_inline_worker_takes_turns_and_the_time_its_work_costs() {
    let worker = Worker::inline_costing(|| std::time::Duration::from_secs(2));
    let began = tokio::time::Instant::now();
    let (one, two) = futures::join!(worker.run(|| 1), worker.run(|| 2));
    assert_eq!((one, two), (Ok(1), Ok(2)));
    assert_eq!(began.elapsed().as_secs(), 4);
}
