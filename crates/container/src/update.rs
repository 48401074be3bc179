//! Changing limits and the restart policy of a container that exists.

use std::collections::BTreeMap;

use engine_api::{container::ContainerUpdateRequest, host_config::Resources};

use crate::{
    ContainerError, Containers,
    restart::Policy,
    spec::resource,
    start_failure::shim_error,
    state::{Phase, Transition},
};

impl Containers {
    /// Applies what is set in `request`; zero values stay as they are.
    ///
    /// # Errors
    /// [`ContainerError::Invalid`] names the limit, [`ContainerError::Conflict`] while it is being
    /// removed, [`ContainerError::StartFailed`] never.
    pub async fn update(
        &self,
        reference: &str,
        request: ContainerUpdateRequest,
    ) -> Result<(), ContainerError> {
        let container = self.find(reference)?;
        let _operation = container.lock().await;
        let refused = |cause: &str| {
            ContainerError::Conflict(format!("Cannot update container {}: {cause}", container.id))
        };
        if matches!(container.state().phase, Phase::Removing | Phase::Dead) {
            return Err(refused("container is marked for removal and cannot be \"update\""));
        }
        Policy::parse(&request.restart_policy, false)?;
        let mut host = container.record().host_config.clone();
        if let Some(cause) = conflict(&host.resources, &request.resources) {
            return Err(refused(cause));
        }
        merge(&mut host.resources, &request.resources);
        resource::check(&host.resources)?;
        if !request.restart_policy.name.is_empty() {
            let policy = Policy::parse(&request.restart_policy, false)?;
            if host.auto_remove && policy != Policy::No {
                return Err(refused(
                    "Restart policy cannot be updated because AutoRemove is enabled for the container",
                ));
            }
            host.restart_policy = request.restart_policy.clone();
        }
        if let Some(shim) = container.shim() {
            let mut asked = request.resources.clone();
            if asked.memory_swap == 0 && asked.memory != 0 {
                // What was decided at creation, not twice the new limit.
                asked.memory_swap = host.resources.memory_swap;
            }
            let limits = resource::limits(&asked, Vec::new())?;
            shim.update(limits).await.map_err(|error| shim_error(error, ""))?;
        }
        self.change_record(&container, |record| record.host_config = host)?;
        if container.state().phase == Phase::Restarting && request.restart_policy.name == "no" {
            self.transition(&container, Transition::RestartCancelled)?;
        }
        self.publish(&container, "update", BTreeMap::new());
        Ok(())
    }
}

/// Why limits do not go with those that are set already, in Docker's words.
fn conflict(own: &Resources, new: &Resources) -> Option<&'static str> {
    let has_nano = own.nano_cpus > 0;
    if new.nano_cpus > 0 && own.cpu_period > 0 {
        return Some(
            "Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set",
        );
    }
    if new.nano_cpus > 0 && own.cpu_quota > 0 {
        return Some(
            "Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set",
        );
    }
    if new.cpu_period > 0 && has_nano {
        return Some(
            "Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set",
        );
    }
    if new.cpu_quota > 0 && has_nano {
        return Some(
            "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set",
        );
    }
    // -1, no limit on swap, is above every memory limit.
    let exceeds_swap = own.memory_swap >= 0 && new.memory > own.memory_swap;
    (new.memory != 0 && exceeds_swap && new.memory_swap == 0).then_some(
        "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
    )
}

fn merge(own: &mut Resources, new: &Resources) {
    fn number<T: Copy + Default + PartialEq>(own: &mut T, new: T) {
        if new != T::default() {
            *own = new;
        }
    }
    number(&mut own.cpu_shares, new.cpu_shares);
    number(&mut own.memory, new.memory);
    number(&mut own.nano_cpus, new.nano_cpus);
    number(&mut own.blkio_weight, new.blkio_weight);
    number(&mut own.cpu_period, new.cpu_period);
    number(&mut own.cpu_quota, new.cpu_quota);
    number(&mut own.cpu_realtime_period, new.cpu_realtime_period);
    number(&mut own.cpu_realtime_runtime, new.cpu_realtime_runtime);
    number(&mut own.memory_reservation, new.memory_reservation);
    number(&mut own.memory_swap, new.memory_swap);
    for (own, new) in
        [(&mut own.cpuset_cpus, &new.cpuset_cpus), (&mut own.cpuset_mems, &new.cpuset_mems)]
    {
        if !new.is_empty() {
            own.clone_from(new);
        }
    }
    fn given<T: Clone>(own: &mut Option<T>, new: &Option<T>) {
        if new.is_some() {
            own.clone_from(new);
        }
    }
    given(&mut own.pids_limit, &new.pids_limit);
    given(&mut own.blkio_weight_device, &new.blkio_weight_device);
    given(&mut own.blkio_device_read_bps, &new.blkio_device_read_bps);
    given(&mut own.blkio_device_write_bps, &new.blkio_device_write_bps);
    given(&mut own.blkio_device_read_iops, &new.blkio_device_read_iops);
    given(&mut own.blkio_device_write_iops, &new.blkio_device_write_iops);
}

#[cfg(test)]
mod tests {
    use engine_api::host_config::ThrottleDevice;

    use super::*;

    #[test]
    fn only_what_is_set_changes() {
        let mut own = Resources { memory: 1, cpu_shares: 2, ..Resources::default() };
        let new = Resources { cpu_shares: 3, pids_limit: Some(-1), ..Resources::default() };
        merge(&mut own, &new);
        assert_eq!((own.memory, own.cpu_shares, own.pids_limit), (1, 3, Some(-1)));
        let device = ThrottleDevice { path: "/dev/vda".into(), rate: 5 };
        let new = Resources { blkio_device_read_bps: Some(vec![device]), ..Resources::default() };
        merge(&mut own, &new);
        assert_eq!(own.blkio_device_read_bps, new.blkio_device_read_bps);
    }

    #[test]
    fn limits_that_exclude_each_other_are_refused() {
        let own = Resources { nano_cpus: 1, memory_swap: 64, ..Resources::default() };
        let text = |new: Resources| conflict(&own, &new).unwrap_or_default();
        assert!(text(Resources { cpu_quota: 1, ..Resources::default() }).contains("CPU Quota"));
        assert!(text(Resources { memory: 65, ..Resources::default() }).contains("memoryswap"));
        let both = Resources { memory: 65, memory_swap: -1, ..Resources::default() };
        assert_eq!(text(both), "");
    }
}
