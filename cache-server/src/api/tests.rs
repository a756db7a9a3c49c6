//! Tests of the guard.

use super::*;

fn service() -> MixerService {
    let telemetry = Arc::new(Telemetry::new());
    let options = policy::Options::default();
    let runtime = Arc::new(Runtime::new(std::path::PathBuf::new(), options, Arc::clone(&telemetry)));
    MixerService::new(runtime, Arc::new(L2::new(0, [0; 16])), Arc::default(), true, telemetry, [0; 16])
}

#[tokio::test]
async fn a_panic_is_an_answer() {
    let service = service();
    let panics =
        async { if service.permits.available_permits() > 0 { panic!("on purpose") } else { Ok(()) } };
    let status = service.guarded("Check", panics).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Internal);
    assert!(!status.message().contains("on purpose"), "{status}");
    assert_eq!(service.permits.available_permits(), limits::REQUESTS_IN_FLIGHT);
    assert!(service.guarded("Check", async { Ok(()) }).await.is_ok());
}

#[tokio::test]
async fn too_much_at_a_time_is_turned_away() {
    let service = service();
    let all = u32::try_from(limits::REQUESTS_IN_FLIGHT).unwrap();
    let busy = service.permits.try_acquire_many(all).unwrap();
    let status = service.guarded("Check", async { Ok(()) }).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::ResourceExhausted);
    drop(busy);
    assert!(service.guarded("Check", async { Ok(()) }).await.is_ok());
}
