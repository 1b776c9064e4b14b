package apiserver

import (
	"encoding/json"
	"errors"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8sjson "sigs.k8s.io/json"

	"mirroros.dev/mirroros/specs"
)

// scale is autoscaling/v1 Scale.
type scale struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Replicas int32 `json:"replicas"`
	} `json:"spec"`
	Status struct {
		Replicas int32  `json:"replicas"`
		Selector string `json:"selector,omitempty"`
	} `json:"status"`
}

// scaleOf is the replicas of an object that has them.
func scaleOf(o specs.Object) (*scale, error) {
	p, ok := o.(*specs.Process)
	if !ok {
		return nil, noEndpoint("scale of this kind")
	}
	s := &scale{TypeMeta: metav1.TypeMeta{Kind: "Scale", APIVersion: "autoscaling/v1"}}
	s.ObjectMeta = metav1.ObjectMeta{Name: p.Name, UID: p.UID, ResourceVersion: p.ResourceVersion, CreationTimestamp: p.CreationTimestamp}
	s.Spec.Replicas = 1
	if p.Spec.Replicas != nil {
		s.Spec.Replicas = *p.Spec.Replicas
	}
	s.Status.Replicas = p.Status.Replicas
	s.Status.Selector = specs.LabelProcess + "=" + p.Name
	return s, nil
}

// onto is the live object with these replicas.
func (c *scale) onto(live specs.Object) (specs.Object, error) {
	if c.Kind != "Scale" || c.APIVersion != "autoscaling/v1" {
		return nil, badRequest("the body has kind %q of %q, and this is the place of kind \"Scale\" of \"autoscaling/v1\"", c.Kind, c.APIVersion)
	}
	p, ok := specs.Copy(live).(*specs.Process)
	if !ok {
		return nil, noEndpoint("scale of this kind")
	}
	replicas := c.Spec.Replicas
	p.Spec.Replicas = &replicas
	if c.Name != "" {
		p.Name = c.Name
	}
	p.ResourceVersion, p.UID = c.ResourceVersion, c.UID
	return p, nil
}

func decodeScale(b []byte) (*scale, error) {
	c := &scale{}
	if strict, err := k8sjson.UnmarshalStrict(b, c); err != nil || len(strict) > 0 {
		return nil, badRequest("cannot read the scale: %v", errors.Join(append(strict, err)...))
	}
	return c, nil
}

func (s *Server) getScale(w http.ResponseWriter, r *request) error {
	o, err := s.live(r)
	if err != nil {
		return err
	}
	return answerScale(w, o)
}

func answerScale(w http.ResponseWriter, o specs.Object) error {
	c, err := scaleOf(o)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, c)
}

// updateScale sets the replicas.
func (s *Server) updateScale(w http.ResponseWriter, r *request) error {
	b, err := r.body()
	if err != nil {
		return err
	}
	c, err := decodeScale(b)
	if err != nil {
		return err
	}
	out, err := s.modify(r, scaled, c.onto)
	if err != nil {
		return err
	}
	return answerScale(w, out)
}

// patchScale changes the replicas.
func (s *Server) patchScale(w http.ResponseWriter, r *request) error {
	p, err := r.patch()
	if err != nil {
		return err
	}
	out, err := s.modify(r, scaled, func(live specs.Object) (specs.Object, error) {
		now, err := scaleOf(live)
		if err != nil {
			return nil, err
		}
		before, err := json.Marshal(now)
		if err != nil {
			return nil, err
		}
		after, err := p(before)
		if err != nil {
			return nil, err
		}
		c, err := decodeScale(after)
		if err != nil {
			return nil, err
		}
		return c.onto(live)
	})
	if err != nil {
		return err
	}
	return answerScale(w, out)
}
