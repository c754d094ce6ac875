"""Sources weighted query by query: a gate over calibrated scores (AW-MoE: Gong et al., 2023)."""
