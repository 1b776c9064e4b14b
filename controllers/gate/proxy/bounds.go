package proxy

import (
	"bytes"
	"math"
	"strings"

	"mirroros.dev/mirroros/controllers/gate/proxy/strict"
)

// bound is what a call to a model takes at most, as far as its body tells.
type bound struct {
	// text is how many bytes of the body may be tokens, apart those of a backend's own template and of images.
	text, apart int64
	// images: some of the call is no text.
	images bool
	// choices are how many answers it asks for.
	choices int64
	// open names what makes it impossible to tell; empty for nothing.
	open string
}

// input is the strict bound of the input, in tokens: a byte-level encoding, as all models of these protocols have one or fall back on one, never
// makes more than one token of a byte.
func (b *bound) input() int64 { return b.text + b.apart }

const (
	// aroundTokens are what a backend's template puts around the messages: what begins and ends each is shorter than its JSON, but some put words
	// of their own before the first (the longest that was found has 70 tokens). toolTokens come with tools: the longest has 530.
	aroundTokens = 128
	toolTokens   = 640
	// imageTokens are what an image is at most where the route says nothing.
	imageTokens = 4096
	// uncapped is the cap of a call that brings none, on a route that has none, under a budget.
	uncapped = 4096
	// leastOutput is the least that a budget which is nearly used up is asked for: less is no answer.
	leastOutput = 16
)

// boundNames are the members of a body that bounds depend on, but for caps.
var boundNames = []string{"n", "best_of", "prompt", "tools", "messages", "input", "system", "service_tier", "speed", "previous_response_id", "conversation",
	"mcp_servers", "container", "n_predict", "num_predict", "max_new_tokens", "n_cmpl", "chat_template", "mm_processor_kwargs", "media_io_kwargs", "prediction",
	"web_search_options"}

// boundOf reads what a call takes at most. size is that of what goes on; image is what an image counts as, 0 for the default.
func boundOf(body strict.Value, op *operation, size, image int64) (*bound, error) {
	b := &bound{text: size, apart: aroundTokens, choices: 1}
	p := &parts{bound: b, image: image}
	deep := hasParts(body.Raw)
	n, prompts := int64(1), int64(1)
	err := body.Fields(boundNames, func(name string, v strict.Value) (err error) {
		if v.IsNull() {
			return nil
		}
		switch name {
		case "n", "best_of":
			var c int64
			c, err = v.Count()
			n = max(n, c)
		case "prompt":
			if v.IsObject() { // a template that the backend keeps
				b.open = name
			}
			prompts = promptsIn(v)
		case "tools":
			b.apart += toolTokens
			return p.tools(v)
		case "messages", "input", "system":
			if deep {
				return p.list(v)
			}
		case "service_tier", "speed": // the same tokens for another price
			if s, _ := v.Text(); s == "priority" || s == "fast" {
				b.open = name + ": " + s
			}
		default: // it names what the backend has or makes of it, or is a cap of another name that a backend may prefer
			b.open = name
		}
		return err
	})
	if len(op.caps) > 0 {
		b.choices = product(n, prompts)
	}
	return b, err
}

// promptsIn counts the prompts of a completion: an array of numbers is one.
func promptsIn(v strict.Value) int64 {
	if !v.IsArray() {
		return 1
	}
	n := int64(0)
	_ = v.Items(func(item strict.Value) error {
		if item.IsString() || item.IsArray() {
			n++
		}
		return nil
	})
	return max(n, 1)
}

// hasParts tells whether a body may have parts that are no text. An escape may hide the word.
func hasParts(body []byte) bool {
	for _, word := range []string{"image", "file", "document", "video", "audio", "item_reference", `\u`} {
		if bytes.Contains(body, []byte(word)) {
			return true
		}
	}
	return false
}

// parts looks for what is no text in the messages of a call.
type parts struct {
	*bound
	image int64
}

// served are kinds of tools that the backend runs by itself: what they find is input too.
var served = []string{"web_search", "web_fetch", "file_search", "code_interpreter", "code_execution", "mcp", "image_generation"}

func (p *parts) tools(v strict.Value) error {
	if !v.IsArray() {
		return nil
	}
	return v.Items(func(tool strict.Value) error {
		if !tool.IsObject() {
			return nil
		}
		return tool.Fields([]string{"type"}, func(_ string, v strict.Value) error {
			kind, _ := v.Text()
			for _, s := range served {
				if strings.HasPrefix(kind, s) {
					p.open = "tools: " + s
				}
			}
			return nil
		})
	})
}

// list looks at the messages of a list, or the parts of a message.
func (p *parts) list(v strict.Value) error {
	if !v.IsArray() {
		return nil
	}
	return v.Items(func(item strict.Value) error {
		if !item.IsObject() {
			return nil
		}
		return p.part(item)
	})
}

// part looks at a message or a part of one. Only what is known to be an image is taken out of the text.
func (p *parts) part(v strict.Value) error {
	kind := ""
	var data, media string
	err := v.Fields([]string{"type", "content", "output", "image_url", "source"}, func(name string, v strict.Value) (err error) {
		switch name {
		case "type":
			kind, _ = v.Text()
		case "content", "output":
			err = p.list(v)
		default:
			data, media, err = blob(v)
		}
		return err
	})
	switch kind {
	case "image", "image_url", "input_image":
		p.count(data, media)
	case "document":
		if strings.HasPrefix(media, "text/") || media == "" && data == "" {
			return err // it is text, which counts by its bytes
		}
		p.open = kind
	case "file", "input_file", "video_url", "input_video", "audio_url", "item_reference": // of any size, which the gate cannot see
		p.open = kind
	}
	return err
}

// blob gives what an image or document is, as a URL or in base64, and its media type as far as it is told.
func blob(v strict.Value) (data, media string, err error) {
	if v.IsString() {
		data, err = v.Text()
		return data, "", err
	}
	if !v.IsObject() {
		return "", "", nil
	}
	err = v.Fields([]string{"url", "data", "media_type"}, func(name string, v strict.Value) (err error) {
		if name == "media_type" {
			media, err = v.Text()
		} else {
			data, err = v.Text()
		}
		return err
	})
	return data, media, err
}

// count takes an image out of the text and counts it apart.
func (p *parts) count(data, media string) {
	p.images = true
	if p.image > 0 {
		p.apart += p.image
	} else {
		p.apart += imageTokens
	}
	if strings.HasPrefix(data, "data:image/") || strings.HasPrefix(media, "image/") {
		p.text = max(0, p.text-int64(len(data)))
	}
}

// product of two numbers that are not negative; it stays at the top.
func product(a, b int64) int64 {
	if b > 0 && a > math.MaxInt64/b {
		return math.MaxInt64
	}
	return a * b
}
