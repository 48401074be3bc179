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
        if matches!(container.state().phase, Phase::Removing | Phase::Dead) {
            return Err(ContainerError::Conflict(format!(
                "Cannot update container {}: Container is marked for removal and cannot be \"update\".",
                container.id
            )));
        }
        let mut host = container.record().host_config.clone();
        merge(&mut host.resources, &request.resources);
        resource::check(&host.resources)?;
        if !request.restart_policy.name.is_empty() {
            let policy = Policy::parse(&request.restart_policy, false)?;
            if host.auto_remove && policy != Policy::No {
                return Err(ContainerError::Conflict(format!(
                    "Cannot update container {}: Restart policy cannot be updated because AutoRemove is enabled for the container",
                    container.id
                )));
            }
            host.restart_policy = request.restart_policy.clone();
        }
        if let Some(shim) = container.shim() {
            let limits = resource::limits(&request.resources, Vec::new())?;
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
    if new.pids_limit.is_some() {
        own.pids_limit = new.pids_limit;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_set_changes() {
        let mut own = Resources { memory: 1, cpu_shares: 2, ..Resources::default() };
        let new = Resources { cpu_shares: 3, pids_limit: Some(-1), ..Resources::default() };
        merge(&mut own, &new);
        assert_eq!((own.memory, own.cpu_shares, own.pids_limit), (1, 3, Some(-1)));
    }
}
