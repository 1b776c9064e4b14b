package specs

// Pricing is what a backend takes. It is free, or has a currency and at least one price.
type Pricing struct {
	// Free: it takes nothing. Nothing else may be set with it.
	Free bool `json:"free,omitempty"`
	// Currency by its code of ISO 4217, such as EUR.
	Currency string `json:"currency,omitempty"`
	// InputPerMillion tokens, as a decimal number in quotes, also of those that are written to a cache: where these are dearer, write their price, or a
	// budget of cost counts less than is billed. Default 0.
	InputPerMillion string `json:"inputPerMillion,omitempty"`
	// CachedInputPerMillion of the input tokens that the backend had at hand. Default: inputPerMillion.
	CachedInputPerMillion string `json:"cachedInputPerMillion,omitempty"`
	// OutputPerMillion tokens. Default 0.
	OutputPerMillion string `json:"outputPerMillion,omitempty"`
	// PerCall that was answered. Default 0.
	PerCall string `json:"perCall,omitempty"`
}
