package specs

import "k8s.io/apimachinery/pkg/util/validation/field"

// maxPrice is the most that a price may be, in whole units of its currency.
const maxPrice = 1_000_000

// Effective is the pricing of a backend of the route: its own, or that of the route. Nil is none: what it takes is not known.
func (s *RouteSpec) Effective(b *RouteBackend) *Pricing {
	if b.Pricing != nil {
		return b.Pricing
	}
	return s.Pricing
}

// Prices in billionths of the currency. Pricing that is free has none of them.
type Prices struct {
	InputPerMillion, CachedInputPerMillion, OutputPerMillion, PerCall int64
}

// Prices of pricing that is valid, with its defaults.
func (p *Pricing) Prices() Prices {
	nano := func(s string) int64 {
		n, _ := ParseMoney(s) // it is valid, or empty
		return n
	}
	out := Prices{nano(p.InputPerMillion), nano(p.CachedInputPerMillion), nano(p.OutputPerMillion), nano(p.PerCall)}
	if p.CachedInputPerMillion == "" {
		out.CachedInputPerMillion = out.InputPerMillion
	}
	return out
}

// pricing checks what a backend takes.
func (v *routeValidator) pricing(at *field.Path, p *Pricing) {
	if p == nil {
		return
	}
	if v.s.Protocol.isTunnel() {
		v.add(field.Forbidden(at, "what passes a tunnel is not read, so it has no price"))
		return
	}
	prices := []struct{ name, text string }{{"inputPerMillion", p.InputPerMillion}, {"cachedInputPerMillion", p.CachedInputPerMillion},
		{"outputPerMillion", p.OutputPerMillion}, {"perCall", p.PerCall}}
	some, bad := false, len(v.faults)
	for _, f := range prices {
		if f.text == "" {
			continue
		}
		some = true
		switch at := at.Child(f.name); {
		case p.Free:
			v.add(field.Forbidden(at, "it is free: remove this, or free"))
		case f.name != "perCall" && !v.s.Protocol.IsModel():
			v.add(field.Forbidden(at, "is for protocols OpenAI and Anthropic, which count tokens; write perCall"))
		default:
			v.money(at, f.text, 0, maxPrice)
		}
	}
	switch {
	case p.Free && p.Currency != "":
		v.add(field.Forbidden(at.Child("currency"), "it is free: remove this, or free"))
	case p.Free || len(v.faults) > bad:
	case !some:
		v.add(field.Required(at, "write free: true, or currency and a price: inputPerMillion, outputPerMillion or perCall"))
	default:
		v.currency(at.Child("currency"), p.Currency)
		// What is reserved before a call reckons with the full price of its input.
		if q := p.Prices(); q.CachedInputPerMillion > q.InputPerMillion {
			v.invalid(at.Child("cachedInputPerMillion"), p.CachedInputPerMillion, "must not be more than inputPerMillion")
		}
	}
}

// money checks an amount of whole units from least to most; 0 for least is no bound but that it is not negative.
func (v *checks) money(at *field.Path, text string, least, most int64) {
	switch n, err := ParseMoney(text); {
	case err != nil:
		v.invalid(at, text, "%v", err)
	case n > most*1e9:
		v.invalid(at, text, "must be at most %d", most)
	case least > 0 && n <= 0:
		v.invalid(at, text, "must be more than 0")
	}
}

func (v *checks) currency(at *field.Path, code string) {
	if code == "" {
		v.add(field.Required(at, "the code of a currency, as EUR"))
	} else if !currencyCode.MatchString(code) {
		v.invalid(at, code, "must be the code of a currency by ISO 4217: three capital letters, as EUR")
	}
}
