use super::{Lane, LaneClosed};

#[tokio::test]
async fn closures_run_one_after_the_other_in_the_order_they_came() {
    let lane = Lane::thread("test").unwrap();
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let runs = (0..50).map(|number| {
        let seen = std::sync::Arc::clone(&seen);
        lane.run(move || seen.lock().unwrap().push(number))
    });
    for run in futures::future::join_all(runs).await {
        run.unwrap();
    }
    assert_eq!(*seen.lock().unwrap(), (0..50).collect::<Vec<i32>>());
}

#[tokio::test]
async fn a_panic_is_its_callers_alone() {
    let lane = Lane::thread("test").unwrap();
    let panicked = lane.run(|| panic!("a test of panics")).await;
    assert_eq!(panicked, Err::<(), _>(LaneClosed));
    assert_eq!(lane.run(|| 7).await, Ok(7));
}

#[tokio::test]
async fn an_inline_lane_runs_at_once() {
    assert_eq!(Lane::inline().run(|| 7).await, Ok(7));
}

#[tokio::test(start_paused = true)]
async fn an_inline_lane_takes_turns_and_the_time_its_work_costs() {
    let lane = Lane::inline_costing(|| std::time::Duration::from_secs(2));
    let began = tokio::time::Instant::now();
    let (one, two) = futures::join!(lane.run(|| 1), lane.run(|| 2));
    assert_eq!((one, two), (Ok(1), Ok(2)));
    assert_eq!(began.elapsed().as_secs(), 4);
}
