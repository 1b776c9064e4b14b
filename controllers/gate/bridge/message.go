package bridge

import (
	"mirroros.dev/mirroros/controllers/gate/proxy/strict"
)

// parts are the places of a message that the bridge looks at. What is not there has no Raw.
type parts struct {
	id     strict.Value
	method string
	// requestID is which request a cancellation is of.
	requestID strict.Value
	// token is the progress token: of a request in _meta, of a notification in params.
	token strict.Value
	// subscription is the request that a notification of 2026-07-28 belongs to.
	subscription strict.Value
	failed       bool  // it is an answer with an error
	code         int64 // of the error, its sign turned
}

const subscriptionID = "io.modelcontextprotocol/subscriptionId"

func read(message []byte) (m parts, err error) {
	v, err := strict.Check(message)
	if err != nil {
		return m, err
	}
	if !v.IsObject() {
		return m, errNoObject
	}
	err = v.Fields([]string{"id", "method", "params", "error"}, func(name string, v strict.Value) (err error) {
		switch name {
		case "id":
			m.id = v
		case "method":
			m.method, err = v.Text()
		case "params":
			err = m.params(v)
		case "error":
			m.failed = true
			err = m.fault(v)
		}
		return err
	})
	return m, err
}

func (m *parts) params(v strict.Value) error {
	if !v.IsObject() {
		return nil
	}
	return v.Fields([]string{"requestId", "progressToken", "_meta"}, func(name string, v strict.Value) error {
		switch name {
		case "requestId":
			m.requestID = v
		case "progressToken":
			m.token = v
		case "_meta":
			if !v.IsObject() {
				return nil
			}
			return v.Fields([]string{"progressToken", subscriptionID}, func(name string, v strict.Value) error {
				if name == subscriptionID {
					m.subscription = v
				} else {
					m.token = v
				}
				return nil
			})
		}
		return nil
	})
}

func (m *parts) fault(v strict.Value) error {
	if !v.IsObject() {
		return nil
	}
	return v.Fields([]string{"code"}, func(_ string, v strict.Value) error {
		if len(v.Raw) > 1 && v.Raw[0] == '-' {
			m.code, _ = strict.Value{Raw: v.Raw[1:]}.Count()
		}
		return nil
	})
}
