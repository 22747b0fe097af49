//! The routes that requests are counted by: patterns, so that no client can make up new ones.

macro_rules! routes {
    ($($pattern:pat => $name:ident, $label:literal;)+) => {
        /// A pattern of paths.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Route {
            $($name,)+
            /// Any other path.
            Other,
        }

        impl Route {
            /// Every route.
            pub(super) const ALL: &[Self] = &[$(Self::$name,)+ Self::Other];

            /// The pattern, for people.
            pub(super) fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)+
                    Self::Other => "other",
                }
            }

            /// The route of a path.
            pub(super) fn of(segments: &[&str]) -> Self {
                match segments {
                    $($pattern => Self::$name,)+
                    _ => Self::Other,
                }
            }
        }
    };
}

// The first pattern that fits counts.
routes! {
    ["health"] => Health, "/health";
    ["readyz"] => Ready, "/readyz";
    ["metrics"] => Metrics, "/metrics";
    ["openapi.json"] => OpenApi, "/openapi.json";
    ["v1"] => Index, "/v1";
    ["v1", "discover", _] => Discover, "/v1/discover/{role}";
    ["v1", "heartbeats"] => Heartbeats, "/v1/heartbeats";
    ["v1", "instances"] => All, "/v1/instances";
    ["v1", "query"] => Query, "/v1/query";
    ["v1", "watch"] => Watch, "/v1/watch";
    ["v1", "limits"] => Limits, "/v1/limits";
    ["v1", "namespaces"] => Namespaces, "/v1/namespaces";
    ["v1", _, "instances"] => Instances, "/v1/{namespace}/instances";
    ["v1", _, "instances", _] => Instance, "/v1/{namespace}/instances/{id}";
    ["v1", _, "instances", _, "heartbeat"] => Heartbeat, "/v1/{namespace}/instances/{id}/heartbeat";
    ["v1", _, "instances", _, "explain"] => Explain, "/v1/{namespace}/instances/{id}/explain";
    ["v1", _, "heartbeats"] => Batch, "/v1/{namespace}/heartbeats";
    ["v1", _, "registrations"] => Registrations, "/v1/{namespace}/registrations";
    ["v1", "admin", ..] => Admin, "/v1/admin";
    ["registry", "vms"] => Vms, "/registry/vms";
    ["registry", "vms", _] => Vm, "/registry/vms/{id}";
    ["registry", "vms", _, "heartbeat"] => VmHeartbeat, "/registry/vms/{id}/heartbeat";
    ["registry", "discover", _] => VmDiscover, "/registry/discover/{role}";
    ["commits"] => Commits, "/commits";
    ["commits", _] => Commit, "/commits/{id}";
    ["feed", "stream"] => FeedStream, "/feed/stream";
    ["feed", "stats"] => FeedStats, "/feed/stats";
    ["feed", "events"] => FeedEvents, "/feed/events";
    ["feed", "events", _] => FeedEvent, "/feed/events/{id}";
    ["board", ..] => Board, "/board";
    ["instances"] => ToolInstances, "/instances";
    ["instances", _] => ToolInstance, "/instances/{id}";
    ["instances", _, "heartbeat"] => ToolHeartbeat, "/instances/{id}/heartbeat";
    ["instances", _, "tools"] => ToolList, "/instances/{id}/tools";
    ["tools"] => Tools, "/tools";
    ["tools", _] => Tool, "/tools/{name}";
    ["hosts"] => Hosts, "/hosts";
    ["export", _] => Export, "/export/{format}";
    ["agents", "register"] => AgentRegister, "/agents/register";
    ["agents", "discover"] => AgentDiscover, "/agents/discover";
    ["agents"] => Agents, "/agents";
    ["agents", "type", _] => AgentsOfType, "/agents/type/{type}";
    ["agents", _] => Agent, "/agents/{id}";
    ["agents", _, "heartbeat"] => AgentHeartbeat, "/agents/{id}/heartbeat";
    ["agents", _, "unregister"] => AgentUnregister, "/agents/{id}/unregister";
    ["api", "v1", "agents", ..] => ServiceAgents, "/api/v1/agents";
    ["houmao", "records"] => SessionRecords, "/houmao/records";
    ["houmao", "records", _] => SessionRecord, "/houmao/records/{agent_id}";
    ["houmao", "cleanup"] => SessionCleanup, "/houmao/cleanup";
    ["houmao", "agents"] => Sessions, "/houmao/agents";
    ["houmao", "agents", _] => Session, "/houmao/agents/{agent}";
    ["houmao", "agents", _, "resolve"] => SessionAddress, "/houmao/agents/{agent}/resolve";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_found_by_its_own_pattern() {
        for route in Route::ALL.iter().filter(|route| **route != Route::Other) {
            let segments: Vec<&str> = route.label().split('/').skip(1).collect();
            assert_eq!(Route::of(&segments), *route, "{}", route.label());
        }
        for other in [&["nothing"][..], &["registry", "vms", "a", "b"], &[]] {
            assert_eq!(Route::of(other), Route::Other, "{other:?}");
        }
    }
}
