use coditect_protocol::plugin::PluginId;
use coditect_protocol::{UserId, WorkspaceId};
use tokio::time::advance;
use uuid::Uuid;

use super::*;

fn whose(user: u128) -> Whose {
    (UserId(Uuid::from_u128(user)), WorkspaceId(Uuid::nil()), PluginId::parse("a.b").unwrap())
}

fn fault(supervisor: &Supervisor, whose: &Whose) -> Consequence {
    supervisor.ended(whose, &CallFigures::default(), End::Fault("It crashed."))
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_again_and_again_rests_ever_longer_and_is_given_up() {
    let (supervisor, ada) = (Supervisor::new(), whose(1));
    for _ in 0..FAULTS_IN_A_ROW - 1 {
        assert_eq!(fault(&supervisor, &ada), Consequence::None);
        assert_eq!(supervisor.rest(&ada), None);
    }
    for seconds in [1, 2, 4, 8, 16, 32, 60] {
        let rest = Duration::from_secs(seconds);
        assert_eq!(fault(&supervisor, &ada), Consequence::Rests(rest));
        assert_eq!(supervisor.rest(&ada), Some((rest, "It crashed.".into())));
        advance(rest - Duration::from_millis(1)).await;
        assert!(supervisor.rest(&ada).is_some());
        advance(Duration::from_millis(1)).await;
        assert_eq!(supervisor.rest(&ada), None);
    }
    assert_eq!(fault(&supervisor, &ada), Consequence::Fails);
    assert_eq!(supervisor.figures(&ada).failures, 10);
    assert_eq!(supervisor.rest(&whose(2)), None, "nobody else's rests");
    // Whoever switches it on again gets it as it was at first.
    supervisor.forgive(&ada);
    assert_eq!(fault(&supervisor, &ada), Consequence::None);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_goes_well_ends_a_row_and_an_hour_the_count() {
    let (supervisor, ada) = (Supervisor::new(), whose(1));
    let well = || supervisor.ended(&ada, &CallFigures { micros: 5, ..CallFigures::default() }, End::Well);
    for _ in 0..3 {
        fault(&supervisor, &ada);
    }
    assert!(supervisor.rest(&ada).is_some());
    assert_eq!((well(), well()), (Consequence::Recovered, Consequence::None));
    assert_eq!(supervisor.rest(&ada), None);
    // Those of before an hour count no more.
    for _ in 3..FAULTS_AT_MOST - 1 {
        assert_ne!(fault(&supervisor, &ada), Consequence::Fails);
        well();
    }
    advance(FAULTS_WITHIN).await;
    assert_eq!(fault(&supervisor, &ada), Consequence::None);
    for _ in 1..FAULTS_AT_MOST - 1 {
        well();
        assert_eq!(fault(&supervisor, &ada), Consequence::None);
    }
    well();
    assert_eq!(fault(&supervisor, &ada), Consequence::Fails);
    let neither = supervisor.ended(&ada, &CallFigures::default(), End::Neither);
    assert_eq!(neither, Consequence::None);
    supervisor.denied(&ada);
    let figures = supervisor.figures(&ada);
    assert_eq!((figures.denials, figures.busy_micros > 0), (1, true));
}
